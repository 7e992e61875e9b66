//! Addresses and the way out.

use super::script;
use crate::contract::{Look, Result};
use core::net::Ipv4Addr;
use serde::Serialize; // an address is a number; no socket

/// An IPv4 address of a host and what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ipv4 {
    /// The address.
    pub address: String,
    /// The interface that has it.
    pub interface: String,
    /// The next hop on the way out; empty on other addresses than the default one.
    pub gateway: String,
    /// The length of the prefix.
    pub prefix: u8,
    /// The same as a mask.
    pub netmask: String,
    /// The first address of the network.
    pub network: String,
    /// The last one.
    pub broadcast: String,
    /// The interface's hardware address.
    pub macaddress: String,
    /// The interface's largest packet.
    pub mtu: u32,
}

/// What a host has of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Network {
    /// The address from which the host reaches the world; nothing if it cannot.
    pub default: Option<Ipv4>,
    /// The names of all interfaces.
    pub interfaces: Vec<String>,
    /// All IPv4 addresses but those of the host to itself.
    pub addresses: Vec<Ipv4>,
}

/// Asks for addresses and the default route. Needs `ip`, of iproute2 or busybox.
pub async fn network(host: &dyn Look) -> Result<Network> {
    let asked = "ip -4 route get 1.1.1.1 2>/dev/null | head -n 1; ip -o -4 addr show || exit; \
                 for i in /sys/class/net/*; do read -r a <$i/address; read -r m <$i/mtu; \
                 echo \"link ${i##*/} $m $a\"; done 2>/dev/null";
    Ok(parse(&script(host, asked).await?))
}

fn parse(text: &str) -> Network {
    let lines = || text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let links: Vec<(String, u32, String)> = lines()
        .filter(|words| words.first() == Some(&"link"))
        .map(|w| {
            let word = |i: usize| w.get(i).copied().unwrap_or_default();
            (word(1).to_owned(), word(2).parse().unwrap_or(0), word(3).to_owned())
        })
        .collect();
    let after = |words: &[&str], name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1).map(|word| (*word).to_owned())
    };
    let mut found = Network { interfaces: links.iter().map(|(name, ..)| name.clone()).collect(), ..Network::default() };
    for words in lines().filter(|words| words.get(2) == Some(&"inet")) {
        let Some((address, prefix)) = words.get(3).and_then(|w| w.split_once('/')) else { continue };
        let (Ok(ip), Ok(prefix)) = (address.parse::<Ipv4Addr>(), prefix.parse::<u8>()) else { continue };
        if ip.is_loopback() || prefix > 32 {
            continue;
        }
        // `eth0@if7` is eth0 seen from inside of a container.
        let interface = words.get(1).and_then(|w| w.split('@').next()).unwrap_or_default();
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        let link = links.iter().find(|(name, ..)| name == interface);
        let text = |bits: u32| Ipv4Addr::from(bits).to_string();
        found.addresses.push(Ipv4 {
            address: address.to_owned(),
            interface: interface.to_owned(),
            gateway: String::new(),
            prefix,
            netmask: text(mask),
            network: text(u32::from(ip) & mask),
            broadcast: text(u32::from(ip) | !mask),
            macaddress: link.map(|(_, _, mac)| mac.clone()).unwrap_or_default(),
            mtu: link.map_or(0, |(_, mtu, _)| *mtu),
        });
    }
    let route = lines().find(|words| words.first() == Some(&"1.1.1.1"));
    found.default = route.and_then(|route| {
        let source = after(&route, "src")?;
        let known = found.addresses.iter().find(|a| a.address == source)?.clone();
        Some(Ipv4 { gateway: after(&route, "via").unwrap_or_default(), ..known })
    });
    found
}
