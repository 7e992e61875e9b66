//! The questions that `ipaddr` answers.

use super::net::Net;
use super::{Answer, Given, wrong};
use minijinja::Value;

const QUERIES: &[&str] = &[
    "",
    "6to4",
    "address",
    "address/prefix",
    "bool",
    "broadcast",
    "cidr",
    "first_usable",
    "gateway",
    "gw",
    "host",
    "host/prefix",
    "hostmask",
    "hostnet",
    "int",
    "ip",
    "ip/prefix",
    "ip_netmask",
    "ipv4",
    "ipv6",
    "last_usable",
    "link-local",
    "lo",
    "loopback",
    "multicast",
    "net",
    "next_usable",
    "netmask",
    "network",
    "network_id",
    "network/prefix",
    "network_netmask",
    "network_wildcard",
    "peer",
    "prefix",
    "previous_usable",
    "private",
    "public",
    "range_usable",
    "revdns",
    "router",
    "size",
    "size_usable",
    "subnet",
    "type",
    "unicast",
    "v4",
    "v6",
    "version",
    "wildcard",
    "wrap",
];

pub(super) fn is_query(query: &str) -> bool {
    QUERIES.contains(&query)
}

/// Whether this is an `address` or a `network`, by where it stands in its network.
pub(super) fn kind(net: &Net) -> Option<&'static str> {
    Some(if net.single_address() || net.ip != net.first() { "address" } else { "network" })
}

/// A host: not the network itself where that means something else.
fn host(net: &Net) -> bool {
    net.single_address() || net.ip != net.first() || net.broadcast().is_none()
}

fn public(net: &Net) -> bool {
    !net.multicast() && net.global() && !net.loopback() && !net.mask_like()
}

pub(super) fn ask(given: &Given, value: &Value, query: &str) -> Answer {
    let net = &given.net;
    let text = |text: String| Some(Value::from(text));
    let when = |holds: bool| holds.then(|| value.clone());
    let several = !net.single_address();
    if !given.network
        && ["first_usable", "last_usable", "next_usable", "previous_usable", "peer", "range_usable"].contains(&query)
    {
        return Err(wrong("Not a network address"));
    }
    let answer = match query {
        "" if given.network => text(net.to_string()),
        "" => text(net.address()),
        "address" | "ip" if host(net) || net.v6 => text(net.address()),
        "address/prefix" | "gateway" | "gw" | "host/prefix" | "hostnet" | "router" => {
            let edge = net.span() > 1 && (net.ip == net.first() || net.ip == net.last());
            if edge { Some(Value::from(false)) } else { text(net.to_string()) }
        }
        "bool" => Some(Value::from(true)),
        "broadcast" if net.span() > 1 => text(net.text(net.last())),
        "cidr" => text(net.to_string()),
        "host" if host(net) => text(net.to_string()),
        "hostmask" | "wildcard" => text(net.text(net.hostmask())),
        "int" if given.network => text(format!("{}/{}", net.ip, net.prefix)),
        "int" => Some(Value::from(net.ip)),
        "ip/prefix" if several && (net.span() == 1 || net.ip != net.first()) => text(net.to_string()),
        "ip_netmask" if several && (net.span() == 1 || net.ip != net.first()) => {
            text(format!("{} {}", net.address(), net.text(net.mask())))
        }
        "ipv4" | "v4" if net.v6 => return Ok(four(net).map_or(Value::from(false), |net| Value::from(net.to_string()))),
        "ipv6" | "v6" if !net.v6 => {
            text(Net { ip: net.ip | 0xffff_0000_0000, prefix: net.prefix + 96, v6: true }.to_string())
        }
        "ipv4" | "v4" | "ipv6" | "v6" => when(true),
        "link-local" => when(net.link_local()),
        "lo" | "loopback" => when(net.loopback()),
        "multicast" => when(net.multicast()),
        "unicast" => when(!net.multicast()),
        "private" => when(!net.global()),
        "public" => when(public(net)),
        "net" if several && net.ip == net.first() => text(net.to_string()),
        "netmask" => text(net.text(net.mask())),
        "network" | "network_id" => text(net.text(net.first())),
        "network/prefix" | "subnet" => text(net.cidr().to_string()),
        "network_netmask" => text(format!("{} {}", net.text(net.first()), net.text(net.mask()))),
        "network_wildcard" => text(format!("{} {}", net.text(net.first()), net.text(net.hostmask()))),
        "peer" => return peer(net),
        "prefix" => Some(Value::from(net.prefix)),
        "revdns" => text(net.reverse()),
        "size" => match net.span().checked_add(1) {
            Some(size) => Some(Value::from(size)),
            None => return Err(wrong("ipaddr: there are more addresses than can be counted")),
        },
        "size_usable" => Some(Value::from(match net.span() {
            0 => 0,
            1 => 2,
            more => more - 1,
        })),
        "type" => kind(net).map(Value::from),
        "version" => Some(Value::from(if net.v6 { 6 } else { 4 })),
        "wrap" if net.v6 && given.network => text(format!("[{}]/{}", net.address(), net.prefix)),
        "wrap" if net.v6 => text(format!("[{}]", net.address())),
        "wrap" => Some(Value::from(given.text.as_str())),
        "first_usable" if several => text(net.text(if net.span() == 1 { net.first() } else { net.first() + 1 })),
        "last_usable" if several => text(net.text(net.usable().1)),
        "range_usable" if several => {
            let (first, last) = net.usable();
            text(format!("{}-{}", net.text(first), net.text(last)))
        }
        "next_usable" if several => neighbour(net, net.ip.checked_add(1)),
        "previous_usable" if several => neighbour(net, net.ip.checked_sub(1)),
        "6to4" => return Ok(six_to_four(given, value)),
        _ => None,
    };
    Ok(answer.unwrap_or_else(|| Value::from(())))
}

fn neighbour(net: &Net, ip: Option<u128>) -> Option<Value> {
    let (first, last) = net.usable();
    ip.filter(|ip| (first..=last).contains(ip)).map(|ip| Value::from(net.text(ip)))
}

/// The IPv4 in an IPv6 that was made from one.
fn four(net: &Net) -> Option<Net> {
    let mapped = net.ip >> 32 == 0xffff || net.ip >> 32 == 0;
    let ip = net.ip & u128::from(u32::MAX);
    let prefix = net.prefix.checked_sub(96).filter(|_| mapped)?;
    Some(Net { ip, prefix, v6: false })
}

fn peer(net: &Net) -> Answer {
    match (net.span(), net.ip % 4) {
        (1, _) => Ok(Value::from(net.text(net.ip ^ 1))),
        (3, 0) => Err(wrong("Network address of /30 has no peer")),
        (3, 3) => Err(wrong("Broadcast address of /30 has no peer")),
        (3, _) => Ok(Value::from(net.text(net.ip ^ 3))),
        _ => Err(wrong("Not a point-to-point network")),
    }
}

/// The IPv6 network that belongs to an IPv4 address, or whether an IPv6 address is in one.
fn six_to_four(given: &Given, value: &Value) -> Value {
    let net = &given.net;
    if !net.v6 {
        let known = !net.global() || public(net);
        if !known || (!net.single_address() && net.ip == net.first()) {
            return Value::from(false);
        }
        let [a, b, c, d] = (net.ip as u32).to_be_bytes();
        return Value::from(format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1/48"));
    }
    let inside = net.ip >> 112 == 0x2002 && (!given.network || net.ip != net.first());
    if inside { value.clone() } else { Value::from(false) }
}
