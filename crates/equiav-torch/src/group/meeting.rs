//! How processes become a group: the store, who is there, the connections; within a limit, or an error
//! that says who or what is missing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::error::{name_ranks, plain};
use super::session::{Place, Session};
use super::watch::{Server, Watch};
use super::{GroupError, Meeting, StoreHost};
use crate::TorchError;
use crate::border::{Address, ProcessGroup, Seat, Store};

/// What the whole meeting may take beyond its limit.
const GRACE: Duration = Duration::from_secs(2);

/// How often one looks who has come.
const LOOK: Duration = Duration::from_millis(50);

/// How long a process that refuses the others leaves its reason for them to read.
const READING: Duration = Duration::from_millis(500);

/// Joins the group that meets there.
pub(super) fn meet(meeting: &Meeting, limit: Duration) -> Result<Session, GroupError> {
    let (ended, end) = channel();
    let own = meeting.clone();
    let body = move || {
        let _ = ended.send(join(&own, limit));
    };
    let place = place_of(meeting);
    let failed = |what: &str| GroupError::new(format!("{place}: {what}"), Vec::new());
    // Whoever listens at the port may accept a connection and never answer.
    let spawned = thread::Builder::new().name("group-meeting".to_owned()).spawn(body);
    spawned.map_err(|error| failed(&format!("starting a thread: {error}")))?;
    end.recv_timeout(limit * 2 + GRACE).unwrap_or_else(|_| {
        Err(failed(&format!(
            "what listens at {}:{} does not answer: is it this group's rank 0?",
            meeting.host, meeting.port
        )))
    })
}

fn place_of(meeting: &Meeting) -> Place {
    Place { rank: meeting.rank, world: meeting.world }
}

fn join(meeting: &Meeting, limit: Duration) -> Result<Session, GroupError> {
    let place = place_of(meeting);
    let server = match (meeting.store, meeting.rank) {
        (StoreHost::Launcher, _) => Server::Agent,
        (StoreHost::Rank0, 0) => Server::This,
        (StoreHost::Rank0, _) => Server::Rank0,
    };
    let fail = |error: &TorchError| unreachable_store(meeting, server, error);
    let address = Address { host: &meeting.host, port: meeting.port, prefix: &meeting.prefix };
    let store = match server {
        Server::This => Store::host(&address, limit),
        Server::Rank0 | Server::Agent => Store::visit(&address, limit),
    }
    .map_err(|error| fail(&error))?;

    introduce(&store, place).map_err(|error| fail(&error))?.map_err(|reason| {
        thread::sleep(READING);
        GroupError::new(format!("{place}: {reason}"), Vec::new())
    })?;
    everybody(&store, place, limit)?;

    let group = connect(meeting, &store, limit).map_err(|error| {
        GroupError::new(format!("{place}: connecting with the others: {}", plain(&error.0)), vec![])
    })?;
    let watch = Watch::start(store, place, server, limit).map_err(|error| fail(&error))?;
    Ok(Session::new(place, limit, group, watch))
}

/// Why the store could not be had, in terms of what the user has set.
fn unreachable_store(meeting: &Meeting, server: Server, error: &TorchError) -> GroupError {
    let (place, host, port) = (place_of(meeting), &meeting.host, meeting.port);
    let cause = plain(&error.0);
    let taken = ["EADDRINUSE", "address already in use"].iter().any(|word| error.0.contains(word));
    let message = match server {
        Server::This if taken => {
            format!("{place}: port {port} of this host is taken: set another MASTER_PORT")
        }
        Server::This => format!("{place}: hosting the store at {host}:{port}: {cause}"),
        Server::Rank0 => {
            format!("{place}: rank 0 cannot be reached at MASTER_ADDR {host}:{port}: {cause}")
        }
        Server::Agent => {
            format!("{place}: the launcher cannot be reached at MASTER_ADDR {host}:{port}: {cause}")
        }
    };
    GroupError::new(message, if server == Server::Rank0 { vec![0] } else { Vec::new() })
}

/// Says who this process is; the inner error is the reason why it cannot belong to the others.
fn introduce(store: &Store, place: Place) -> Result<Result<(), String>, TorchError> {
    let Place { rank, world } = place;
    let told = store.set_first("world", &world.to_string())?;
    let mut refusal = None;
    if told != world.to_string() {
        refusal = Some(format!(
            "this process was told that the group has {world} processes, another one {told}: set WORLD_SIZE alike"
        ));
    } else if store.add(&arrived(rank), 1)? > 1 {
        refusal = Some(format!("two processes were told RANK={rank}"));
    }
    match refusal {
        None => Ok(Ok(())),
        Some(reason) => {
            store.set_first("refused", &reason)?;
            Ok(Err(reason))
        }
    }
}

/// Waits until every rank has come.
fn everybody(store: &Store, place: Place, limit: Duration) -> Result<(), GroupError> {
    let failed =
        |what: String, missing: Vec<usize>| GroupError::new(format!("{place}: {what}"), missing);
    let lost = |error: TorchError| {
        failed(format!("the store is gone while the group meets: {}", plain(&error.0)), Vec::new())
    };
    let mut missing: Vec<usize> = (0..place.world).collect();
    let started = Instant::now();
    loop {
        let mut still = Vec::new();
        for rank in missing {
            if store.get(&arrived(rank)).map_err(lost)?.is_none() {
                still.push(rank);
            }
        }
        missing = still;
        if missing.is_empty() {
            return Ok(());
        }
        if let Some(reason) = store.get("refused").map_err(lost)? {
            thread::sleep(READING);
            return Err(failed(format!("the group does not meet: {reason}"), Vec::new()));
        }
        if started.elapsed() > limit {
            let who = name_ranks(&missing);
            let verb = if missing.len() == 1 { "has" } else { "have" };
            let what = format!(
                "{who} {verb} not come within {limit:?}: are {} processes started, with this WORLD_SIZE, MASTER_ADDR and MASTER_PORT?",
                place.world
            );
            return Err(failed(what, missing));
        }
        thread::sleep(LOOK);
    }
}

fn arrived(rank: usize) -> String {
    format!("arrived/{rank}")
}

/// Connects with all others.
fn connect(meeting: &Meeting, store: &Store, limit: Duration) -> Result<ProcessGroup, TorchError> {
    let interface = std::env::var("GLOO_SOCKET_IFNAME").ok().filter(|name| !name.is_empty());
    let address = address_towards(&meeting.host, meeting.port).map(|address| address.to_string());
    let seat = Seat {
        rank: meeting.rank,
        world: meeting.world,
        limit,
        interface: interface.as_deref(),
        address: address.as_deref(),
    };
    ProcessGroup::open(store, &seat)
}

/// The address by which this host reaches that one; nothing is sent.
fn address_towards(host: &str, port: u16) -> Option<IpAddr> {
    let towards = |target: SocketAddr| {
        let any: IpAddr = match target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    (host, port).to_socket_addrs().ok()?.find_map(towards)
}
