//! Several processes of one program on this machine, each told who it is as torchrun tells it.

use std::ffi::OsString;
use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, anyhow};

/// How often the processes are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long the others may take to say what they miss once one has failed.
const LAST_WORDS: Duration = Duration::from_secs(45);

/// Start several processes of a program, connected as torchrun connects them
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many processes
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    processes: u32,
    /// The program with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

/// `cargo xtask train --procs` by way of `launch`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let world = options.processes as usize;
    wait(start(world, |_| command(&options.program))?, world)
}

fn command(words: &[OsString]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// What the first of `world` processes printed, which must fit into a pipe.
///
/// When one fails the others end too: by themselves, as they miss it, else by force.
pub(crate) fn capture(world: usize, command: impl Fn() -> Command) -> Result<String> {
    let mut running = start(world, |rank| {
        let mut command = command();
        command.stdout(if rank == 0 { Stdio::piped() } else { Stdio::null() });
        command
    })?;
    let out = running.first_mut().and_then(|(_, child)| child.stdout.take());
    wait(running, world)?;
    let mut text = String::new();
    if let Some(mut out) = out {
        out.read_to_string(&mut text).context("cannot read a pipe")?;
    }
    Ok(text)
}

fn start(world: usize, command: impl Fn(usize) -> Command) -> Result<Vec<(usize, Child)>> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    let port = listener.local_addr()?.port().to_string();
    drop(listener);
    let mut running = Vec::new();
    for rank in 0..world {
        let mut command = command(rank);
        for (name, value) in [("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", world)] {
            command.env(name, value.to_string());
        }
        command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", &port);
        match command.spawn() {
            Ok(child) => running.push((rank, child)),
            Err(error) => {
                end(&mut running);
                let message = format!("cannot start process {rank} of {world}");
                return Err(Error::new(error).context(message));
            }
        }
    }
    Ok(running)
}

fn wait(mut running: Vec<(usize, Child)>, world: usize) -> Result<()> {
    let mut failed: Option<(Error, Instant)> = None;
    while !running.is_empty() {
        let mut waiting = Vec::new();
        for (rank, mut child) in running {
            match child.try_wait()? {
                None => waiting.push((rank, child)),
                Some(status) if !status.success() && failed.is_none() => {
                    let message = anyhow!("process {rank} of {world} failed ({status})");
                    failed = Some((message, Instant::now()));
                }
                Some(_) => {}
            }
        }
        running = waiting;
        if failed.as_ref().is_some_and(|(_, since)| since.elapsed() > LAST_WORDS) {
            end(&mut running);
        }
        sleep(LOOK);
    }
    failed.map_or(Ok(()), |(message, _)| Err(message))
}

/// Ends all by force.
fn end(running: &mut Vec<(usize, Child)>) {
    for (_, mut child) in running.drain(..) {
        // One that has just ended by itself is fine.
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_is_told_who_it_is_and_one_failure_is_the_result() {
        let shell = |script: &str| ["sh", "-c", script].map(OsString::from);
        let many =
            |processes, script: &str| run(&Options { processes, program: shell(script).to_vec() });
        many(3, "test $RANK = $LOCAL_RANK && test $WORLD_SIZE = 3 && test $MASTER_PORT -gt 0")
            .unwrap();
        assert_eq!(capture(3, || command(&shell("echo $RANK"))).unwrap(), "0\n");
        let error = many(2, "test $RANK = 0").unwrap_err().to_string();
        assert!(error.starts_with("process 1 of 2 failed (exit status: 1"), "{error}");
    }
}
