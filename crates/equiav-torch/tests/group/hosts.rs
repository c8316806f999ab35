//! Two hosts in one: network namespaces with a cable between them, where the machine allows it.

use std::process::{Command, Output};

use super::launch::Launch;

/// Two network namespaces, each with an address that only the cable between them leads to.
pub(crate) struct Hosts {
    names: [String; 2],
}

/// What rank 0 is reached at.
const ADDRESS: &str = "10.213.97.1";

/// Each host's end of the cable.
pub(crate) const CABLE: &str = "cable0";

impl Hosts {
    /// Makes them; the error is why this machine cannot.
    pub(crate) fn make(purpose: &str) -> Result<Self, String> {
        let name = |side: &str| format!("equiav-{purpose}-{side}-{}", std::process::id());
        let hosts = Self { names: [name("a"), name("b")] };
        let [a, b] = &hosts.names;
        ip(&["netns", "add", a])?;
        ip(&["netns", "add", b])?;
        ip(&["link", "add", CABLE, "netns", a, "type", "veth", "peer", "name", CABLE, "netns", b])?;
        for (host, address) in [(a, ADDRESS), (b, "10.213.97.2")] {
            ip(&["-n", host, "address", "add", &format!("{address}/24"), "dev", CABLE])?;
            ip(&["-n", host, "link", "set", CABLE, "up"])?;
            ip(&["-n", host, "link", "set", "lo", "up"])?;
        }
        Ok(hosts)
    }

    /// The process of that rank, on the host of that number.
    pub(crate) fn launch(&self, scenario: &str, rank: usize) -> Launch {
        let within = ["ip", "netns", "exec", &self.names[rank]].map(str::to_owned);
        Launch::within(&within, scenario, rank, 2).with("MASTER_ADDR", ADDRESS)
    }

    /// Cuts the cable.
    pub(crate) fn cut(&self) {
        ip(&["-n", &self.names[0], "link", "set", CABLE, "down"]).expect("a cut cable");
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let said = |output: Output| match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    };
    Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|error| format!("ip: {error}"))
        .and_then(said)
}
