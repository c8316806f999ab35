//! Process groups in real processes over loopback: what they compute, against one process; and what the
//! others say when one is killed, stopped, late, wrong or absent.

#[path = "group/compute.rs"]
mod compute;
#[path = "group/fail.rs"]
mod fail;
#[path = "group/hosts.rs"]
mod hosts;
#[path = "group/launch.rs"]
mod launch;
#[path = "support/skipped.rs"]
mod skipped;

use std::time::Duration;

use hosts::Hosts;
use launch::{FAILED, HASTY, Launch, Outcome, free_port, run};
use skipped::skipped;

/// What failures have to be noticed within, beyond the limit of the group: pulses, and a machine so busy
/// that a process takes seconds to start.
const NOTICE: Duration = Duration::from_secs(30);

/// The body of a started process; of no meaning when the tests start it.
#[test]
fn child() {
    launch::child(|scenario| match scenario {
        "collectives" => compute::collectives(),
        "gradients" => compute::gradients(),
        "unused" => compute::unused(),
        "steps" => fail::steps(),
        "backward" => fail::backward(),
        "patience" => fail::patience(),
        other => panic!("no scenario {other}"),
    });
}

fn all_well(scenario: &str, world: usize) {
    for outcome in run(scenario, world) {
        assert_eq!(outcome.code, Some(0), "{scenario}, {world}: {}", outcome.text);
        assert!(outcome.text.contains("all is well"), "{}", outcome.text);
    }
}

#[test]
fn collectives_are_right_in_two_and_in_four_processes() {
    all_well("collectives", 2);
    all_well("collectives", 4);
}

#[test]
fn gradients_equal_those_of_one_process() {
    all_well("gradients", 2);
    all_well("gradients", 4);
}

#[test]
fn a_lone_process_gathers_its_rows_with_their_gradient() {
    compute::gathered_alone();
}

#[test]
fn parameters_without_gradient_do_not_hang() {
    all_well("unused", 2);
}

/// That a process has ended by itself with an error that says so, in one line.
#[track_caller]
fn has_failed(outcome: &Outcome, words: &[&str]) {
    assert_eq!(outcome.code, Some(FAILED), "{}", outcome.text);
    assert!(outcome.took < launch::LIMIT + NOTICE, "{:?}: {}", outcome.took, outcome.text);
    let error = outcome.error();
    for word in words {
        assert!(error.contains(word), "`{word}` in `{error}`");
    }
}

#[test]
fn a_killed_rank_is_named_by_the_others() {
    for (victim, world) in [(2, 3), (0, 2)] {
        let port = free_port();
        let mut running: Vec<_> =
            (0..world).map(|rank| Launch::new("steps", rank, world).start(port)).collect();
        running[victim].await_line("step 5");
        running[victim].signal("KILL");
        for (rank, process) in running.into_iter().enumerate() {
            let outcome = process.finish();
            if rank != victim {
                let own = format!("rank {rank} of {world}: all_reduce ");
                let named = format!("(loss): rank {victim}");
                has_failed(&outcome, &[&own, &named, "gone"]);
            }
        }
    }
}

#[test]
fn a_stopped_rank_is_named_by_the_others() {
    for (victim, world) in [(1, 3), (0, 2)] {
        let port = free_port();
        let mut running: Vec<_> =
            (0..world).map(|rank| Launch::new("steps", rank, world).start(port)).collect();
        running[victim].await_line("step 5");
        running[victim].signal("STOP");
        let stopped = running.remove(victim);
        for process in running {
            has_failed(&process.finish(), &[&format!("(loss): rank {victim}"), "stopped"]);
        }
        stopped.kill();
    }
}

#[test]
fn a_rank_that_lives_but_does_not_come_is_named() {
    let port = free_port();
    let late = Launch::new("steps", 1, 2).with("PAUSE_AT", "4").start(port);
    let waiting = Launch::new("steps", 0, 2).start(port);
    has_failed(&waiting.finish(), &["rank 1 has not come, last seen in all_reduce 3 (loss)"]);
    late.kill();
}

#[test]
fn a_rank_that_leaves_early_is_named() {
    let port = free_port();
    let early = Launch::new("steps", 1, 2).with("LEAVE_AT", "4").start(port);
    let waiting = Launch::new("steps", 0, 2).start(port);
    has_failed(&waiting.finish(), &["rank 1 has left the group after all_reduce 3 (loss)"]);
    assert_eq!(early.finish().code, Some(0));
}

#[test]
fn a_rank_that_dies_before_a_backward_pass_is_named() {
    let port = free_port();
    let running: Vec<_> = (0..3).map(|rank| Launch::new("backward", rank, 3).start(port)).collect();
    for (rank, process) in running.into_iter().enumerate() {
        let outcome = process.finish();
        if rank == 1 {
            assert_eq!(outcome.code, None, "aborted");
        } else {
            has_failed(&outcome, &["average 3 (gradients): rank 1 is gone or stopped"]);
        }
    }
}

/// Processes that wait for rank 0, which does that first.
fn waiting(world: usize, first: &str) -> Vec<Outcome> {
    let port = free_port();
    let start = |rank| Launch::new("patience", rank, world).with("FIRST", first).start(port);
    let running: Vec<_> = (0..world).map(start).collect();
    running.into_iter().map(launch::Running::finish).collect()
}

#[test]
fn a_rank_that_works_beyond_the_limit_is_waited_for() {
    for outcome in waiting(2, "works") {
        assert_eq!(outcome.code, Some(0), "{}", outcome.text);
    }
}

#[test]
fn a_rank_that_gives_up_ends_all_with_its_own_words() {
    let [leader, others @ ..] = &waiting(3, "gives up")[..] else { panic!("three") };
    has_failed(leader, &["rank 0 of 3: the disk is full"]);
    for (other, wait) in others.iter().zip(["wait 2 (work)", "all_reduce 2 (other work)"]) {
        has_failed(other, &[wait, "rank 0 has failed: the disk is full"]);
    }
}

#[test]
fn a_rank_that_dies_at_its_work_is_named_by_those_who_wait() {
    let [leader, others @ ..] = &waiting(3, "dies")[..] else { panic!("three") };
    assert_eq!(leader.code, None, "aborted");
    for other in others {
        has_failed(other, &["rank 0, which hosts the store, is gone"]);
    }
}

#[test]
fn too_few_processes_end_with_the_absent_rank() {
    let waiting = Launch::new("steps", 0, 3).with(HASTY, "3").start(free_port());
    has_failed(&waiting.finish(), &["rank 0 of 3: ranks 1 and 2 have not come", "WORLD_SIZE"]);
}

#[test]
fn processes_that_were_told_other_sizes_end() {
    let port = free_port();
    let two = Launch::new("steps", 0, 2).start(port);
    let three = Launch::new("steps", 1, 3).start(port);
    for process in [two, three] {
        has_failed(&process.finish(), &["told that the group has", "set WORLD_SIZE alike"]);
    }
}

#[test]
fn a_rank_that_comes_twice_is_refused() {
    let port = free_port();
    let start = |rank: usize| Launch::new("steps", rank, 3).with(HASTY, "20").start(port);
    let outcomes = [0, 1, 1].map(start).map(launch::Running::finish);
    for outcome in &outcomes {
        has_failed(outcome, &["of 3: "]);
    }
    // Whoever starts so late that rank 0 has ended meets nobody.
    let told = outcomes.iter().filter(|o| o.error().contains("two processes were told RANK=1"));
    assert!(told.count() >= 2, "{:?}", outcomes.map(|outcome| outcome.error().to_owned()));
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let host = Launch::new("steps", 0, 2).start(port);
    let visitor = Launch::new("steps", 1, 2).with(HASTY, "3").start(port);
    has_failed(
        &host.finish(),
        &[&format!("port {port} of this host is taken: set another MASTER_PORT")],
    );
    has_failed(&visitor.finish(), &["rank 1 of 2: ", &format!("127.0.0.1:{port}")]);
}

#[test]
fn an_unreachable_meeting_point_is_named() {
    let port = free_port();
    let visitor = Launch::new("steps", 1, 2).with(HASTY, "3").start(port);
    let words = format!("rank 0 cannot be reached at MASTER_ADDR:MASTER_PORT 127.0.0.1:{port}: ");
    has_failed(&visitor.finish(), &["rank 1 of 2: ", &words, "refused"]);
}

#[test]
fn variables_that_cannot_be_meant_are_named() {
    let port = free_port();
    let outcome = Launch::new("steps", 0, 2).with("WORLD_SIZE", "0").start(port).finish();
    has_failed(&outcome, &["WORLD_SIZE=0"]);
}

/// Two hosts for `test`, or a word on why this machine has none.
fn two_hosts(purpose: &str, test: &str) -> Option<Hosts> {
    let hosts = Hosts::make(purpose);
    hosts.map_err(|reason| skipped(test, &format!("no network namespaces here: {reason}"))).ok()
}

#[test]
fn two_hosts_work_together() {
    let Some(hosts) = two_hosts("work", "two_hosts_work_together") else { return };
    for interface in ["", hosts::CABLE] {
        let port = free_port();
        let start = |rank: usize| {
            hosts.launch("collectives", rank).with("GLOO_SOCKET_IFNAME", interface).start(port)
        };
        for process in [start(0), start(1)] {
            let outcome = process.finish();
            assert_eq!(outcome.code, Some(0), "interface `{interface}`: {}", outcome.text);
        }
    }
}

#[test]
fn two_hosts_end_when_the_cable_is_cut() {
    let Some(hosts) = two_hosts("cut", "two_hosts_end_when_the_cable_is_cut") else { return };
    let port = free_port();
    let mut running = [0, 1].map(|rank| hosts.launch("steps", rank).start(port));
    running.iter_mut().for_each(|process| process.await_line("step 5"));
    hosts.cut();
    let [first, second] = running.map(launch::Running::finish);
    has_failed(&first, &["rank 0 of 2: all_reduce ", "(loss): rank 1 is gone or stopped"]);
    has_failed(
        &second,
        &["rank 1 of 2: all_reduce ", "rank 0, which hosts the store, is", "out of reach"],
    );
}
