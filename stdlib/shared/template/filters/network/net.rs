//! An address with the network around it, and its arithmetic.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and how many of its bits name the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Net {
    pub ip: u128,
    pub prefix: u32,
    pub v6: bool,
}

impl Net {
    /// A single address, if the number is one.
    pub fn single(ip: u128, v6: bool) -> Option<Net> {
        let bits = if v6 { 128 } else { 32 };
        (v6 || ip <= u128::from(u32::MAX)).then_some(Net { ip, prefix: bits, v6 })
    }

    /// `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.0/0.255.255.255`, `fd00::/64`.
    pub fn parse(text: &str) -> Option<Net> {
        let (address, mask) = text.split_once('/').map_or((text, None), |(address, mask)| (address, Some(mask)));
        let (ip, v6) = match address.parse().ok()? {
            IpAddr::V4(ip) => (u128::from(u32::from(ip)), false),
            IpAddr::V6(ip) => (u128::from(ip), true),
        };
        let net = Net::single(ip, v6)?;
        let Some(mask) = mask else { return Some(net) };
        if let Ok(prefix) = mask.parse() {
            return net.with(prefix);
        }
        let mask = Net::parse(mask).filter(|mask| mask.v6 == v6 && mask.prefix == mask.bits())?;
        let ones = mask.ip.count_ones();
        let netmask = Net { ip: 0, prefix: ones, v6 }.mask();
        let hostmask = Net { ip: 0, prefix: mask.bits() - ones, v6 }.hostmask();
        match mask.ip {
            ip if ip == netmask => net.with(ones),
            ip if ip == hostmask => net.with(mask.bits() - ones),
            _ => None,
        }
    }

    pub fn with(self, prefix: u32) -> Option<Net> {
        (prefix <= self.bits()).then_some(Net { prefix, ..self })
    }

    pub fn bits(&self) -> u32 {
        if self.v6 { 128 } else { 32 }
    }

    pub fn all(&self) -> u128 {
        if self.v6 { u128::MAX } else { u128::from(u32::MAX) }
    }

    pub fn hostmask(&self) -> u128 {
        self.all().checked_shr(self.prefix).unwrap_or(0)
    }

    pub fn mask(&self) -> u128 {
        self.all() ^ self.hostmask()
    }

    pub fn first(&self) -> u128 {
        self.ip & self.mask()
    }

    pub fn last(&self) -> u128 {
        self.ip | self.hostmask()
    }

    /// How many addresses there are, less one.
    pub fn span(&self) -> u128 {
        self.hostmask()
    }

    pub fn single_address(&self) -> bool {
        self.prefix == self.bits()
    }

    /// Two addresses of IPv4 are too few for one that means all.
    pub fn broadcast(&self) -> Option<u128> {
        (self.v6 || self.prefix < 31).then(|| self.last())
    }

    pub fn usable(&self) -> (u128, u128) {
        if self.span() == 1 { (self.first(), self.last()) } else { (self.first() + 1, self.last() - 1) }
    }

    /// The network around the address.
    pub fn cidr(&self) -> Net {
        Net { ip: self.first(), ..*self }
    }

    pub fn holds(&self, other: &Net) -> bool {
        self.v6 == other.v6 && self.first() <= other.first() && other.last() <= self.last()
    }

    /// The address at a place, from the end if it is negative.
    pub fn at(&self, place: i128) -> Option<u128> {
        let from = |base: u128| base.checked_add_signed(place);
        let ip = if place < 0 { from(self.last())?.checked_add(1) } else { from(self.first()) };
        ip.filter(|ip| (self.first()..=self.last()).contains(ip))
    }

    pub fn text(&self, ip: u128) -> String {
        if self.v6 { Ipv6Addr::from(ip).to_string() } else { Ipv4Addr::from(ip as u32).to_string() }
    }

    pub fn address(&self) -> String {
        self.text(self.ip)
    }

    /// The name under which DNS finds the name of the address.
    pub fn reverse(&self) -> String {
        if self.v6 {
            let digits = format!("{:032x}", self.ip);
            let digits: String = digits.chars().rev().flat_map(|digit| [digit, '.']).collect();
            return format!("{digits}ip6.arpa.");
        }
        let [a, b, c, d] = (self.ip as u32).to_be_bytes();
        format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
    }

    fn within(&self, nets: &[&str]) -> bool {
        let alone = Net { prefix: self.bits(), ..*self };
        nets.iter().filter_map(|net| Net::parse(net)).any(|net| net.holds(&alone))
    }

    /// Reachable in the whole internet, by IANA's registries of special addresses.
    pub fn global(&self) -> bool {
        !self.within(SPECIAL) || self.within(REACHABLE)
    }

    pub fn multicast(&self) -> bool {
        self.within(&["224.0.0.0/4", "ff00::/8"])
    }

    pub fn loopback(&self) -> bool {
        self.within(&["127.0.0.0/8", "::1/128"])
    }

    pub fn link_local(&self) -> bool {
        self.within(&["169.254.0.0/16", "fe80::/10"])
    }

    /// Looks like a mask rather than an address.
    pub fn mask_like(&self) -> bool {
        let power = |n: u128| n & n.wrapping_sub(1) == 0;
        power((self.ip ^ self.all()).wrapping_add(1)) || power(self.ip.wrapping_add(1))
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.prefix)
    }
}

const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::1/128",
    "::/128",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
];
const REACHABLE: &[&str] = &[
    "192.0.0.9/32",
    "192.0.0.10/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:20::/28",
    "2001:30::/28",
];

/// The fewest networks that hold exactly these.
pub(super) fn merged(nets: &[Net]) -> Vec<Net> {
    let mut out = Vec::new();
    for v6 in [false, true] {
        let mut ranges: Vec<(u128, u128)> = Vec::new();
        let mut sorted: Vec<_> = nets.iter().filter(|n| n.v6 == v6).map(|n| (n.first(), n.last())).collect();
        sorted.sort_unstable();
        for (first, last) in sorted {
            match ranges.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        for (first, last) in ranges {
            split(first, last, v6, &mut out);
        }
    }
    out
}

/// A range of addresses as networks, the largest possible first.
fn split(mut first: u128, last: u128, v6: bool, out: &mut Vec<Net>) {
    let bits = if v6 { 128 } else { 32 };
    loop {
        let net = (0..=bits).map(|prefix| Net { ip: first, prefix, v6 });
        let fits = net.into_iter().find(|net| net.first() == first && net.last() <= last);
        let Some(net) = fits else { return };
        out.push(net);
        match net.last().checked_add(1) {
            Some(next) if next <= last => first = next,
            _ => return,
        }
    }
}

/// The smallest network that holds all of these; none if they are of different versions.
pub(super) fn spanning(nets: &[Net]) -> Option<Net> {
    let (first, v6) = (nets.first()?, nets.first()?.v6);
    let (low, high) = (nets.iter().map(Net::first).min()?, nets.iter().map(Net::last).max()?);
    let around = (0..=first.bits()).rev().map(|prefix| Net { ip: low, prefix, v6 });
    let around = around.into_iter().find(|net| net.last() >= high).map(|net| net.cidr());
    around.filter(|_| nets.iter().all(|net| net.v6 == v6))
}
