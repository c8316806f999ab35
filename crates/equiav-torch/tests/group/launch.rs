//! Starts this test binary again as one process of a group, and collects what it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use equiav_torch::{Group, ProcessRole, Timeouts};

/// What a collective may take where one fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(4);

/// What is not about limits may take longer, since the machine may be busy.
pub(crate) const PATIENT: Duration = Duration::from_secs(60);

/// The exit code of a process that reports an error.
pub(crate) const FAILED: i32 = 3;

const SCENARIO: &str = "EQUIAV_GROUP_SCENARIO";

/// How many seconds the meeting may take, where that is not the patient time.
pub(crate) const HASTY: &str = "EQUIAV_GROUP_HASTY";

/// What a process of a scenario fails with.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Runs the scenario that the parent asks for, if one does, and ends the process.
pub(crate) fn child(body: impl Fn(&str) -> Result<(), Failure>) {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let code = match body(&scenario) {
        Ok(()) => {
            say("all is well");
            0
        }
        Err(error) => {
            say(&format!("error: {error}"));
            FAILED
        }
    };
    std::process::exit(code);
}

/// A line for the parent.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent reads");
}

/// The group that the parent has started this process for.
pub(crate) fn join(collective: Duration) -> Result<Arc<dyn Group>, Failure> {
    let hasty = std::env::var(HASTY).ok().and_then(|seconds| seconds.parse().ok());
    let rendezvous = hasty.map_or(PATIENT, Duration::from_secs);
    Ok(ProcessRole::from_environment()?.join(Timeouts { rendezvous, collective })?)
}

/// A process to be started.
pub(crate) struct Launch {
    command: Command,
}

/// A started process.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    errors: Option<JoinHandle<String>>,
    read: String,
    since: Instant,
}

/// How a process has ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
    pub(crate) took: Duration,
}

impl Launch {
    pub(crate) fn new(scenario: &str, rank: usize, world: usize) -> Self {
        Self::within(&[], scenario, rank, world)
    }

    /// As [`new`](Self::new), started by another program.
    pub(crate) fn within(starter: &[String], scenario: &str, rank: usize, world: usize) -> Self {
        let binary = std::env::current_exe().expect("this binary");
        let mut command = match starter {
            [] => Command::new(binary),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary);
                command
            }
        };
        command.args(["child", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(SCENARIO, scenario).env("OMP_NUM_THREADS", "1");
        command.env("RANK", rank.to_string()).env("LOCAL_RANK", rank.to_string());
        command.env("WORLD_SIZE", world.to_string()).env("MASTER_ADDR", "127.0.0.1");
        for launcher in ["TORCHELASTIC_USE_AGENT_STORE", "GLOO_SOCKET_IFNAME"] {
            command.env_remove(launcher);
        }
        Self { command }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn start(mut self, port: u16) -> Running {
        self.command.env("MASTER_PORT", port.to_string());
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("a process");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut stderr = child.stderr.take().expect("a pipe");
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Running { child, out, errors: Some(errors), read: String::new(), since: Instant::now() }
    }
}

impl Running {
    /// Waits until the process says a line that holds this.
    pub(crate) fn await_line(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            let length = self.out.read_line(&mut line).expect("a line");
            assert!(length > 0, "ended before `{text}`: {}", self.read);
            self.read.push_str(&line);
            if line.contains(text) {
                self.since = Instant::now();
                return;
            }
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let number = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &number]).status();
        assert!(sent.expect("kill").success(), "no signal sent");
    }

    pub(crate) fn finish(mut self) -> Outcome {
        self.out.read_to_string(&mut self.read).expect("its lines");
        let code = self.child.wait().expect("its end").code();
        let took = self.since.elapsed();
        let errors = self.errors.take().map(|thread| thread.join().expect("its errors"));
        Outcome { code, text: format!("{}\n{}", self.read, errors.unwrap_or_default()), took }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("its end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Outcome {
    /// The one line in which the process has reported its error.
    #[track_caller]
    pub(crate) fn error(&self) -> &str {
        let error = self.text.lines().find_map(|line| line.split_once("error: "));
        error.unwrap_or_else(|| panic!("no error in {}", self.text)).1
    }
}

/// Runs all processes of a scenario.
pub(crate) fn run(scenario: &str, world: usize) -> Vec<Outcome> {
    let port = free_port();
    let running: Vec<Running> =
        (0..world).map(|rank| Launch::new(scenario, rank, world).start(port)).collect();
    running.into_iter().map(Running::finish).collect()
}

/// A port at which nobody listens.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
