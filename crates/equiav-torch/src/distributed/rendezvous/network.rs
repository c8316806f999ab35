//! Checks the network before libtorch uses it: whether a process listens at the rendezvous, and which address of this
//! host leads there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// The pause between two attempts to connect.
const KNOCK: Duration = Duration::from_millis(200);

/// Waits until a process listens there; the error is that of the last attempt.
pub(super) fn await_listener(host: &str, port: u16, limit: Duration) -> Result<(), String> {
    let started = Instant::now();
    loop {
        let left = limit.saturating_sub(started.elapsed());
        match knock(host, port, left.max(KNOCK)) {
            Ok(()) => return Ok(()),
            Err(error) if left.is_zero() => return Err(format!("{error}, for {limit:.1?}")),
            Err(_) => thread::sleep(KNOCK.min(left)),
        }
    }
}

fn knock(host: &str, port: u16, limit: Duration) -> io::Result<()> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The address by which this host reaches that one, if any does; nothing is sent.
pub(super) fn own_address(host: &str, port: u16) -> Option<String> {
    let towards = |target: SocketAddr| {
        let any: IpAddr = match target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip().to_string())
    };
    (host, port).to_socket_addrs().ok()?.find_map(towards)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_found_and_its_absence_told_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert_eq!(await_listener("127.0.0.1", port, Duration::from_secs(5)), Ok(()));
        drop(listener);
        let started = Instant::now();
        let error = await_listener("127.0.0.1", port, Duration::from_millis(300));
        assert!(error.clone().expect_err("nobody").contains("refused"), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn loopback_is_reached_by_loopback() {
        assert_eq!(own_address("127.0.0.1", 1).as_deref(), Some("127.0.0.1"));
        assert_eq!(own_address("", 1), None);
    }
}
