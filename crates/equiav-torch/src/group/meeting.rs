//! How processes become a group: the store, who is there, the connections; within a limit, or an error
//! that says who or what is missing.

use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{name_ranks, plain};
use super::network::{await_listener, own_address};
use super::session::{Place, Session};
use super::watch::{Server, Watch};
use super::{GroupError, Limits, Meeting, StoreHost};
use crate::TorchError;
use crate::border::{Address, ProcessGroup, Seat, Store};

/// What a meeting may take beyond its limit before it is given up from outside.
const GRACE: Duration = Duration::from_secs(2);

/// How often one looks who has come.
const LOOK: Duration = Duration::from_millis(50);

/// How long a process that refuses the others leaves its reason for them to read.
const READING: Duration = Duration::from_millis(500);

/// What of a meeting may wait for a peer that never answers.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Store,
    Roll,
    Connections,
}

/// What the thread that meets tells the one that watches the time.
enum News {
    Begun(Phase),
    Ended(Box<Result<Session, GroupError>>),
}

/// Joins the group that meets there.
pub(super) fn meet(meeting: &Meeting, limits: Limits) -> Result<Session, GroupError> {
    let (tell, news) = channel();
    let own = meeting.clone();
    let body = move || {
        let end = Visit { meeting: &own, limits, since: Instant::now(), tell: &tell }.join();
        let _ = tell.send(News::Ended(Box::new(end)));
    };
    // Whoever listens at the port may accept a connection and never answer.
    let spawned = thread::Builder::new().name("group-meeting".to_owned()).spawn(body);
    spawned.map_err(|error| failed(meeting, &format!("starting a thread: {error}")))?;
    let deadline = Instant::now() + limits.meeting + GRACE;
    let mut phase = Phase::Store;
    while let Ok(event) = news.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        match event {
            News::Begun(begun) => phase = begun,
            News::Ended(end) => return *end,
        }
    }
    Err(given_up(meeting, limits, phase))
}

fn given_up(meeting: &Meeting, limits: Limits, phase: Phase) -> GroupError {
    let (Meeting { host, port, .. }, limit) = (meeting, limits.meeting);
    failed(
        meeting,
        &match phase {
            Phase::Store | Phase::Roll => {
                format!(
                    "what listens at {host}:{port} does not answer within {limit:?}: is it this group's?"
                )
            }
            Phase::Connections => format!(
                "no connection with all others within {limit:?}: can each host reach each other one? GLOO_SOCKET_IFNAME names the interface"
            ),
        },
    )
}

fn failed(meeting: &Meeting, what: &str) -> GroupError {
    GroupError::new(format!("{}: {what}", place_of(meeting)), Vec::new())
}

fn place_of(meeting: &Meeting) -> Place {
    Place { rank: meeting.rank, world: meeting.world }
}

fn server_of(meeting: &Meeting) -> Server {
    match (meeting.store, meeting.rank) {
        (StoreHost::Launcher, _) => Server::Agent,
        (StoreHost::Rank0, 0) => Server::This,
        (StoreHost::Rank0, _) => Server::Rank0,
    }
}

/// One process on its way into a group.
struct Visit<'a> {
    meeting: &'a Meeting,
    limits: Limits,
    since: Instant,
    tell: &'a Sender<News>,
}

impl Visit<'_> {
    fn join(&self) -> Result<Session, GroupError> {
        let (place, server) = (place_of(self.meeting), server_of(self.meeting));
        let fail = |error: TorchError| self.lost(&plain(&error.0));
        let store = self.store(server)?;
        let _ = self.tell.send(News::Begun(Phase::Roll));
        if let Err(reason) = introduce(&store, place).map_err(fail)? {
            thread::sleep(READING);
            return Err(failed(self.meeting, &reason));
        }
        self.roll(&store)?;
        let _ = self.tell.send(News::Begun(Phase::Connections));
        let group = self.connect(&store).map_err(|error| {
            failed(self.meeting, &format!("connecting with the others: {}", plain(&error.0)))
        })?;
        let watch = Watch::start(store, place, server, self.limits.collective).map_err(fail)?;
        Ok(Session::new(place, self.limits.collective, group, watch))
    }

    /// What of the limit is left.
    fn left(&self) -> Duration {
        self.limits.meeting.saturating_sub(self.since.elapsed()).max(LOOK)
    }

    /// The error where the store cannot be had.
    fn lost(&self, cause: &str) -> GroupError {
        let Meeting { host, port, .. } = self.meeting;
        let (who, missing) = match server_of(self.meeting) {
            Server::This => {
                let what = format!("hosting the store at {host}:{port}: {cause}");
                return failed(self.meeting, &what);
            }
            Server::Rank0 => ("rank 0", vec![0]),
            Server::Agent => ("the launcher", Vec::new()),
        };
        let place = place_of(self.meeting);
        let what =
            format!("{who} cannot be reached at MASTER_ADDR:MASTER_PORT {host}:{port}: {cause}");
        GroupError::new(format!("{place}: {what}"), missing)
    }

    fn store(&self, server: Server) -> Result<Store, GroupError> {
        let Meeting { host, port, prefix, .. } = self.meeting;
        let address = Address { host, port: *port, prefix };
        if server == Server::This {
            return Store::host(&address, self.left()).map_err(|error| {
                let taken = ["EADDRINUSE", "address already in use"];
                if taken.iter().any(|word| error.0.contains(word)) {
                    let what =
                        format!("port {port} of this host is taken: set another MASTER_PORT");
                    return failed(self.meeting, &what);
                }
                self.lost(&plain(&error.0))
            });
        }
        await_listener(host, *port, self.left()).map_err(|cause| self.lost(&cause))?;
        // The outer limit is the one that ends this, in better words than c10d's.
        let patient = self.limits.meeting + GRACE * 2;
        Store::visit(&address, patient).map_err(|error| self.lost(&plain(&error.0)))
    }

    /// Waits until every rank has come.
    fn roll(&self, store: &Store) -> Result<(), GroupError> {
        let mut missing: Vec<usize> = (0..self.meeting.world).collect();
        loop {
            missing = still_missing(store, missing).map_err(|e| self.lost(&plain(&e.0)))?;
            if missing.is_empty() {
                return Ok(());
            }
            let refused = store.get("refused").map_err(|e| self.lost(&plain(&e.0)))?;
            if let Some(reason) = refused {
                thread::sleep(READING);
                return Err(failed(self.meeting, &format!("the group does not meet: {reason}")));
            }
            if self.since.elapsed() > self.limits.meeting {
                return Err(self.absent(missing));
            }
            thread::sleep(LOOK);
        }
    }

    fn absent(&self, missing: Vec<usize>) -> GroupError {
        let (place, limit) = (place_of(self.meeting), self.limits.meeting);
        let (who, world) = (name_ranks(&missing), self.meeting.world);
        let verb = if missing.len() == 1 { "has" } else { "have" };
        let ask = "processes started, with this WORLD_SIZE, MASTER_ADDR and MASTER_PORT?";
        let what = format!("{who} {verb} not come within {limit:?}: are {world} {ask}");
        GroupError::new(format!("{place}: {what}"), missing)
    }

    /// Connects with all others.
    fn connect(&self, store: &Store) -> Result<ProcessGroup, TorchError> {
        let interface = std::env::var("GLOO_SOCKET_IFNAME").ok().filter(|name| !name.is_empty());
        let address = own_address(&self.meeting.host, self.meeting.port);
        let seat = Seat {
            rank: self.meeting.rank,
            world: self.meeting.world,
            limit: self.limits.collective,
            interface: interface.as_deref(),
            address: address.as_deref(),
        };
        ProcessGroup::open(store, &seat)
    }
}

/// Says who this process is; the inner error is the reason why it cannot belong to the others.
fn introduce(store: &Store, place: Place) -> Result<Result<(), String>, TorchError> {
    let Place { rank, world } = place;
    let told = store.set_first("world", &world.to_string())?;
    let reason = if told != world.to_string() {
        format!(
            "this process was told that the group has {world} processes, another one {told}: set WORLD_SIZE alike"
        )
    } else if store.add(&arrived(rank), 1)? > 1 {
        format!("two processes were told RANK={rank}")
    } else {
        return Ok(Ok(()));
    };
    store.set_first("refused", &reason)?;
    Ok(Err(reason))
}

fn still_missing(store: &Store, ranks: Vec<usize>) -> Result<Vec<usize>, TorchError> {
    let mut missing = Vec::new();
    for rank in ranks {
        if store.get(&arrived(rank))?.is_none() {
            missing.push(rank);
        }
    }
    Ok(missing)
}

fn arrived(rank: usize) -> String {
    format!("arrived/{rank}")
}
