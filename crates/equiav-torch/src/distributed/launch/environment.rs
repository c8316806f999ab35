//! Reads the variables by which torchrun and Slurm tell a process its rank.

use super::host_list;
use super::{LaunchError, ProcessRole, RendezvousPoint, StoreHost};

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

const RANK: &str = "RANK";
const WORLD_SIZE: &str = "WORLD_SIZE";
const LOCAL_RANK: &str = "LOCAL_RANK";
const MASTER_ADDR: &str = "MASTER_ADDR";
const MASTER_PORT: &str = "MASTER_PORT";
const SLURM_PROCID: &str = "SLURM_PROCID";
const SLURM_NTASKS: &str = "SLURM_NTASKS";
const SLURM_LOCALID: &str = "SLURM_LOCALID";
const SLURM_JOB_NODELIST: &str = "SLURM_JOB_NODELIST";
const SLURM_JOB_ID: &str = "SLURM_JOB_ID";

/// The names by which one launcher tells the same three numbers.
struct Names {
    rank: &'static str,
    world: &'static str,
    local_rank: &'static str,
}

const TORCHRUN: Names = Names { rank: RANK, world: WORLD_SIZE, local_rank: LOCAL_RANK };
const SLURM: Names = Names { rank: SLURM_PROCID, world: SLURM_NTASKS, local_rank: SLURM_LOCALID };

/// What the variables say.
pub(super) fn read(variables: Variables<'_>) -> Result<ProcessRole, LaunchError> {
    let set = |name: &&str| variables(name).is_some_and(|value| !value.trim().is_empty());
    if [RANK, WORLD_SIZE, LOCAL_RANK].iter().any(set) {
        return torchrun(variables);
    }
    // An interactive allocation has a number of tasks, and no process of it: it runs alone.
    if set(&SLURM_PROCID) {
        return slurm(variables);
    }
    Ok(ProcessRole::Alone)
}

fn torchrun(variables: Variables<'_>) -> Result<ProcessRole, LaunchError> {
    let (rank, world, local_rank) = numbers(variables, &TORCHRUN)?;
    if world == 1 {
        return Ok(ProcessRole::Alone);
    }
    let launched = text(variables, "TORCHELASTIC_USE_AGENT_STORE").is_some_and(|v| v == "True");
    // A group that torchrun starts again meets at the same store as the one before.
    let part = |name: &str| text(variables, name).unwrap_or_else(|| "0".to_owned());
    let (run, restart) = (part("TORCHELASTIC_RUN_ID"), part("TORCHELASTIC_RESTART_COUNT"));
    let rendezvous = RendezvousPoint {
        rank,
        world,
        host: required(variables, MASTER_ADDR, RANK)?,
        port: port(&required(variables, MASTER_PORT, RANK)?)?,
        store: if launched { StoreHost::Launcher } else { StoreHost::Rank0 },
        prefix: format!("equiav/{run}/{restart}"),
    };
    Ok(ProcessRole::Together { local_rank, rendezvous })
}

fn slurm(variables: Variables<'_>) -> Result<ProcessRole, LaunchError> {
    let (rank, world, local_rank) = numbers(variables, &SLURM)?;
    if world == 1 {
        return Ok(ProcessRole::Alone);
    }
    let host = match text(variables, MASTER_ADDR) {
        Some(host) => host,
        None => {
            let list = required(variables, SLURM_JOB_NODELIST, SLURM_PROCID)?;
            host_list::first(&list).ok_or_else(|| {
                error(format!(
                    "{SLURM_JOB_NODELIST}={list}: no first host is found in it; set {MASTER_ADDR}"
                ))
            })?
        }
    };
    let port = match text(variables, MASTER_PORT) {
        Some(value) => port(&value)?,
        None => {
            let job = required(variables, SLURM_JOB_ID, SLURM_PROCID)?;
            let number = number(SLURM_JOB_ID, &job)?;
            15_000 + u16::try_from(number % 10_000).unwrap_or(0)
        }
    };
    let prefix = format!("equiav/{}", text(variables, SLURM_JOB_ID).unwrap_or_default());
    let rendezvous = RendezvousPoint { rank, world, host, port, store: StoreHost::Rank0, prefix };
    Ok(ProcessRole::Together { local_rank, rendezvous })
}

/// Rank, number of processes, and rank on this host.
fn numbers(variables: Variables<'_>, names: &Names) -> Result<(usize, usize, usize), LaunchError> {
    let of = |name: &'static str| {
        let because = if name == names.rank { names.world } else { names.rank };
        number(name, &required(variables, name, because)?)
    };
    let (rank, world, local_rank) = (of(names.rank)?, of(names.world)?, of(names.local_rank)?);
    if world == 0 {
        return Err(error(format!("{}=0: a group has at least one process", names.world)));
    }
    for (name, value) in [(names.rank, rank), (names.local_rank, local_rank)] {
        if value >= world {
            return Err(error(format!(
                "{name}={value} does not fit {}={world}: ranks count from 0",
                names.world
            )));
        }
    }
    Ok((rank, world, local_rank))
}

fn text(variables: Variables<'_>, name: &str) -> Option<String> {
    variables(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// A variable that must be there since another one of its launcher is.
fn required(variables: Variables<'_>, name: &str, because: &str) -> Result<String, LaunchError> {
    text(variables, name).ok_or_else(|| {
        error(format!("{name} is not set, though other variables of its launcher are, such as {because}: set it, or none of them"))
    })
}

fn number(name: &str, value: &str) -> Result<usize, LaunchError> {
    value.parse().map_err(|_| error(format!("{name}={value} is no whole number from 0")))
}

fn port(value: &str) -> Result<u16, LaunchError> {
    match value.parse() {
        Ok(0) | Err(_) => Err(error(format!("{MASTER_PORT}={value} is no port from 1 to 65535"))),
        Ok(port) => Ok(port),
    }
}

fn error(message: String) -> LaunchError {
    LaunchError(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads variables written as `NAME=value NAME=value`.
    fn from(written: &str) -> Result<ProcessRole, String> {
        let find = |name: &str| {
            let mut pairs = written.split(' ').filter_map(|pair| pair.split_once('='));
            pairs.find(|pair| pair.0 == name).map(|pair| pair.1.to_owned())
        };
        read(&find).map_err(|error| error.0)
    }

    fn rendezvous(written: &str) -> RendezvousPoint {
        match from(written) {
            Ok(ProcessRole::Together { rendezvous, .. }) => rendezvous,
            other => panic!("{written}: {other:?}"),
        }
    }

    const HAND: &str = "RANK=1 WORLD_SIZE=2 LOCAL_RANK=1 MASTER_ADDR=a MASTER_PORT=29500";

    #[test]
    fn a_process_that_nobody_launched_is_alone() {
        assert_eq!(from(""), Ok(ProcessRole::Alone));
        assert_eq!(from("MASTER_ADDR=a MASTER_PORT=1"), Ok(ProcessRole::Alone), "no rank");
        assert_eq!(from("SLURM_NTASKS=8 SLURM_JOB_ID=3"), Ok(ProcessRole::Alone), "an allocation");
        assert_eq!(from("RANK=0 WORLD_SIZE=1 LOCAL_RANK=0"), Ok(ProcessRole::Alone), "one process");
        assert_eq!(from("SLURM_PROCID=0 SLURM_NTASKS=1 SLURM_LOCALID=0"), Ok(ProcessRole::Alone));
    }

    #[test]
    fn torchrun_and_hands_are_understood() {
        let expected = RendezvousPoint {
            rank: 1,
            world: 2,
            host: "a".to_owned(),
            port: 29500,
            store: StoreHost::Rank0,
            prefix: "equiav/0/0".to_owned(),
        };
        assert_eq!(rendezvous(HAND), expected);
        let agent =
            "TORCHELASTIC_USE_AGENT_STORE=True TORCHELASTIC_RUN_ID=x TORCHELASTIC_RESTART_COUNT=2";
        let found = rendezvous(&format!("{HAND} {agent}"));
        assert_eq!(found.store, StoreHost::Launcher);
        assert_eq!(found.prefix, "equiav/x/2", "a restarted group does not meet old keys");
    }

    #[test]
    fn slurm_is_understood() {
        let job = "SLURM_PROCID=3 SLURM_NTASKS=4 SLURM_LOCALID=1 SLURM_JOB_NODELIST=n[07-09] SLURM_JOB_ID=123456";
        let found = rendezvous(job);
        assert_eq!((found.rank, found.world, found.host.as_str()), (3, 4, "n07"));
        assert_eq!((found.port, found.store), (18456, StoreHost::Rank0));
        let named = rendezvous(&format!("{job} MASTER_ADDR=b MASTER_PORT=7"));
        assert_eq!((named.host.as_str(), named.port), ("b", 7));
        let within = rendezvous(&format!("{job} {HAND}"));
        assert_eq!((within.rank, within.world), (1, 2), "torchrun within Slurm");
        assert_eq!(from(job).expect("a group").local_rank(), 1);
    }

    #[test]
    fn what_cannot_be_meant_is_an_error_that_names_the_variable() {
        let cases = [
            ("RANK=0 WORLD_SIZE=0 LOCAL_RANK=0", "WORLD_SIZE=0: a group has at least one"),
            ("RANK=2 WORLD_SIZE=2 LOCAL_RANK=0", "RANK=2 does not fit WORLD_SIZE=2"),
            ("RANK=0 WORLD_SIZE=2 LOCAL_RANK=5", "LOCAL_RANK=5 does not fit WORLD_SIZE=2"),
            ("RANK=-1 WORLD_SIZE=2 LOCAL_RANK=0", "RANK=-1 is no whole number"),
            ("RANK=1 WORLD_SIZE=two LOCAL_RANK=0", "WORLD_SIZE=two is no whole number"),
            ("WORLD_SIZE=2 LOCAL_RANK=0", "RANK is not set, though"),
            ("RANK=0 LOCAL_RANK=0", "WORLD_SIZE is not set, though"),
            ("RANK=0 WORLD_SIZE=2", "LOCAL_RANK is not set, though"),
            ("LOCAL_RANK=0", "RANK is not set, though"),
            ("RANK=0 WORLD_SIZE=2 LOCAL_RANK=0", "MASTER_ADDR is not set, though"),
            ("RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 MASTER_ADDR=a", "MASTER_PORT is not set, though"),
            ("RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 MASTER_ADDR=a MASTER_PORT=x", "MASTER_PORT=x is no"),
            (
                "RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 MASTER_ADDR=a MASTER_PORT=70000",
                "MASTER_PORT=70000",
            ),
            ("SLURM_PROCID=0 SLURM_NTASKS=2", "SLURM_LOCALID is not set, though"),
            ("SLURM_PROCID=9 SLURM_NTASKS=2 SLURM_LOCALID=0", "SLURM_PROCID=9 does not fit"),
            ("SLURM_PROCID=0 SLURM_NTASKS=2 SLURM_LOCALID=0", "SLURM_JOB_NODELIST is not set"),
        ];
        for (written, expected) in cases {
            let error = from(written).expect_err(written);
            assert!(error.starts_with(expected), "{written}: {error}");
            assert!(!error.contains('\n'));
        }
    }
}
