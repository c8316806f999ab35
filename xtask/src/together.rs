//! Several processes of one program on this machine, each told who it is as torchrun tells it.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often the processes are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long the others may take to say what they miss once one has failed.
const LAST_WORDS: Duration = Duration::from_secs(45);

/// Starts `world` processes, each made by `command`, and waits for all.
///
/// When one fails the others end too: by themselves, as they miss it, else by force.
pub(crate) fn run(world: usize, command: impl Fn() -> Command) -> Result<(), String> {
    wait(start(world, |_| command())?, world)
}

/// As [`run`]; returns what the first process printed, which must fit into a pipe.
pub(crate) fn capture(world: usize, command: impl Fn() -> Command) -> Result<String, String> {
    let mut running = start(world, |rank| {
        let mut command = command();
        command.stdout(if rank == 0 { Stdio::piped() } else { Stdio::null() });
        command
    })?;
    let out = running.first_mut().and_then(|(_, child)| child.stdout.take());
    wait(running, world)?;
    let mut text = String::new();
    if let Some(mut out) = out {
        out.read_to_string(&mut text).map_err(|error| format!("cannot read a pipe: {error}"))?;
    }
    Ok(text)
}

fn start(world: usize, command: impl Fn(usize) -> Command) -> Result<Vec<(usize, Child)>, String> {
    let port = free_port()?.to_string();
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
                return Err(format!("cannot start process {rank} of {world}: {error}"));
            }
        }
    }
    Ok(running)
}

fn wait(mut running: Vec<(usize, Child)>, world: usize) -> Result<(), String> {
    let mut failed: Option<(String, Instant)> = None;
    while !running.is_empty() {
        for (rank, status) in ended(&mut running)? {
            if !status.success() && failed.is_none() {
                let message = format!("process {rank} of {world} failed ({status})");
                failed = Some((message, Instant::now()));
            }
        }
        if failed.as_ref().is_some_and(|(_, since)| since.elapsed() > LAST_WORDS) {
            end(&mut running);
        }
        sleep(LOOK);
    }
    failed.map_or(Ok(()), |(message, _)| Err(message))
}

/// Takes those out of `running` that have ended.
fn ended(running: &mut Vec<(usize, Child)>) -> Result<Vec<(usize, ExitStatus)>, String> {
    let mut ended = Vec::new();
    let mut waiting = Vec::new();
    for (rank, mut child) in running.drain(..) {
        match child.try_wait() {
            Ok(Some(status)) => ended.push((rank, status)),
            Ok(None) => waiting.push((rank, child)),
            Err(error) => return Err(format!("cannot wait for process {rank}: {error}")),
        }
    }
    *running = waiting;
    Ok(ended)
}

/// Ends all by force.
fn end(running: &mut Vec<(usize, Child)>) {
    for (_, mut child) in running.drain(..) {
        // One that has just ended by itself is fine.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A port at which nobody listens.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_is_told_who_it_is_and_one_failure_is_the_result() {
        let shell = |script: &'static str| {
            move || {
                let mut command = Command::new("sh");
                command.args(["-c", script]);
                command
            }
        };
        let told = "test $RANK = $LOCAL_RANK && test $WORLD_SIZE = 3 && test $MASTER_PORT -gt 0";
        assert_eq!(run(3, shell(told)), Ok(()));
        assert_eq!(capture(3, shell("echo $RANK")), Ok("0\n".to_owned()));
        let error = run(2, shell("test $RANK = 0")).unwrap_err();
        assert!(error.starts_with("process 1 of 2 failed (exit status: 1"), "{error}");
    }
}
