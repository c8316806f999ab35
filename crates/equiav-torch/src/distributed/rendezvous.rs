//! The rendezvous: the ranks of a group meet at a store, wait until all are there and connect, within a timeout.
//!
//! Each of the three steps can block inside c10d for as long as a peer does not answer, and c10d offers no way to
//! interrupt it. So the steps run on a thread of their own that reports which one it has begun, and the caller waits
//! for that thread with a deadline. On a timeout the thread is left behind: the error names the step it stopped in,
//! and the process is expected to end.

mod network;

use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use self::network::{await_listener, own_address};
use super::error::{name_ranks, plain};
use super::heartbeat::{Heartbeat, Server};
use super::session::{Place, Session};
use super::{GroupError, RendezvousPoint, StoreHost, Timeouts};
use crate::TorchError;
use crate::ffi::{Address, ProcessGroup, Seat, Store};

/// What the rendezvous may take beyond its timeout before the caller stops waiting for its thread: the steps notice
/// a timeout by themselves and say more about it.
const GRACE: Duration = Duration::from_secs(2);

/// How often the store is asked who has come.
const LOOK: Duration = Duration::from_millis(50);

/// How long a process that refuses the others waits before it ends, so that they can read its reason: the store may
/// be its own and end with it.
const READING: Duration = Duration::from_millis(500);

/// The steps that may wait for a peer that never answers.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Store,
    Roll,
    Connections,
}

/// What the thread of the rendezvous tells the caller.
enum News {
    Begun(Phase),
    Ended(Box<Result<Session, GroupError>>),
}

/// Joins the group that meets at `point`.
pub(super) fn meet(point: &RendezvousPoint, timeouts: Timeouts) -> Result<Session, GroupError> {
    let (tell, news) = channel();
    let own = point.clone();
    let body = move || {
        let end = Visit { point: &own, timeouts, since: Instant::now(), tell: &tell }.join();
        let _ = tell.send(News::Ended(Box::new(end)));
    };
    // A foreign process that listens at the port may accept a connection and never answer.
    let spawned = thread::Builder::new().name("group-rendezvous".to_owned()).spawn(body);
    spawned.map_err(|error| failed(point, &format!("starting a thread: {error}")))?;
    let deadline = Instant::now() + timeouts.rendezvous + GRACE;
    let mut phase = Phase::Store;
    while let Ok(event) = news.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        match event {
            News::Begun(begun) => phase = begun,
            News::Ended(end) => return *end,
        }
    }
    Err(given_up(point, timeouts, phase))
}

fn given_up(point: &RendezvousPoint, timeouts: Timeouts, phase: Phase) -> GroupError {
    let (RendezvousPoint { host, port, .. }, limit) = (point, timeouts.rendezvous);
    failed(
        point,
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

fn failed(point: &RendezvousPoint, what: &str) -> GroupError {
    GroupError::new(format!("{}: {what}", place_of(point)), Vec::new())
}

fn place_of(point: &RendezvousPoint) -> Place {
    Place { rank: point.rank, world: point.world }
}

fn server_of(point: &RendezvousPoint) -> Server {
    match (point.store, point.rank) {
        (StoreHost::Launcher, _) => Server::Agent,
        (StoreHost::Rank0, 0) => Server::This,
        (StoreHost::Rank0, _) => Server::Rank0,
    }
}

/// One process on its way into a group.
struct Visit<'a> {
    point: &'a RendezvousPoint,
    timeouts: Timeouts,
    since: Instant,
    tell: &'a Sender<News>,
}

impl Visit<'_> {
    fn join(&self) -> Result<Session, GroupError> {
        let (place, server) = (place_of(self.point), server_of(self.point));
        let fail = |error: TorchError| self.lost(&plain(&error.0));
        let store = self.store(server)?;
        let _ = self.tell.send(News::Begun(Phase::Roll));
        if let Err(reason) = introduce(&store, place).map_err(fail)? {
            thread::sleep(READING);
            return Err(failed(self.point, &reason));
        }
        self.roll(&store)?;
        let _ = self.tell.send(News::Begun(Phase::Connections));
        let group = self.connect(&store).map_err(|error| {
            failed(self.point, &format!("connecting with the others: {}", plain(&error.0)))
        })?;
        let heartbeat =
            Heartbeat::start(store, place, server, self.timeouts.collective).map_err(fail)?;
        Ok(Session::new(place, self.timeouts.collective, group, heartbeat))
    }

    /// What of the limit is left.
    fn left(&self) -> Duration {
        self.timeouts.rendezvous.saturating_sub(self.since.elapsed()).max(LOOK)
    }

    /// The error where the store cannot be had.
    fn lost(&self, cause: &str) -> GroupError {
        let RendezvousPoint { host, port, .. } = self.point;
        let (who, missing) = match server_of(self.point) {
            Server::This => {
                let what = format!("hosting the store at {host}:{port}: {cause}");
                return failed(self.point, &what);
            }
            Server::Rank0 => ("rank 0", vec![0]),
            Server::Agent => ("the launcher", Vec::new()),
        };
        let place = place_of(self.point);
        let what =
            format!("{who} cannot be reached at MASTER_ADDR:MASTER_PORT {host}:{port}: {cause}");
        GroupError::new(format!("{place}: {what}"), missing)
    }

    fn store(&self, server: Server) -> Result<Store, GroupError> {
        let RendezvousPoint { host, port, prefix, .. } = self.point;
        let address = Address { host, port: *port, prefix };
        if server == Server::This {
            return Store::host(&address, self.left()).map_err(|error| {
                let taken = ["EADDRINUSE", "address already in use"];
                if taken.iter().any(|word| error.0.contains(word)) {
                    let what =
                        format!("port {port} of this host is taken: set another MASTER_PORT");
                    return failed(self.point, &what);
                }
                self.lost(&plain(&error.0))
            });
        }
        await_listener(host, *port, self.left()).map_err(|cause| self.lost(&cause))?;
        // The outer limit is the one that ends this, in better words than c10d's.
        let patient = self.timeouts.rendezvous + GRACE * 2;
        Store::visit(&address, patient).map_err(|error| self.lost(&plain(&error.0)))
    }

    /// Waits until every rank has come.
    fn roll(&self, store: &Store) -> Result<(), GroupError> {
        let mut missing: Vec<usize> = (0..self.point.world).collect();
        loop {
            missing = still_missing(store, missing).map_err(|e| self.lost(&plain(&e.0)))?;
            if missing.is_empty() {
                return Ok(());
            }
            let refused = store.get("refused").map_err(|e| self.lost(&plain(&e.0)))?;
            if let Some(reason) = refused {
                thread::sleep(READING);
                return Err(failed(self.point, &format!("the group does not meet: {reason}")));
            }
            if self.since.elapsed() > self.timeouts.rendezvous {
                return Err(self.absent(missing));
            }
            thread::sleep(LOOK);
        }
    }

    fn absent(&self, missing: Vec<usize>) -> GroupError {
        let (place, limit) = (place_of(self.point), self.timeouts.rendezvous);
        let (who, world) = (name_ranks(&missing), self.point.world);
        let verb = if missing.len() == 1 { "has" } else { "have" };
        let ask = "processes started, with this WORLD_SIZE, MASTER_ADDR and MASTER_PORT?";
        let what = format!("{who} {verb} not come within {limit:?}: are {world} {ask}");
        GroupError::new(format!("{place}: {what}"), missing)
    }

    /// Connects with all others.
    fn connect(&self, store: &Store) -> Result<ProcessGroup, TorchError> {
        let interface = std::env::var("GLOO_SOCKET_IFNAME").ok().filter(|name| !name.is_empty());
        let address = own_address(&self.point.host, self.point.port);
        let seat = Seat {
            rank: self.point.rank,
            world: self.point.world,
            limit: self.timeouts.collective,
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
