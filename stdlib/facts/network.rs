//! Addresses, names, ports.

use crate::contract::{Fact, Look, Result};
use crate::shared::facts::{Ipv4, ask, network, script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fact! {
    /// Ask for the address from which the host reaches the world.
    ///
    /// The answer has `address`, `interface`, `gateway`, `prefix`, `netmask`, `network`, `broadcast`, `macaddress` and
    /// `mtu`; it is `()` where there is no way out.
    ///
    /// ```rhai
    /// let ip = facts::default_ipv4();
    /// if ip != () { print(ip.address); }
    /// ```
    /// ```transcript
    /// ? sh -c 'ip -4 route get 1.1.1.1 2>/dev/null | head -n 1; ip -o -4 addr show || exit; for i in /sys/class/net/*; do read -r a <$i/address; read -r m <$i/mtu; echo "link ${i##*/} $m $a"; done 2>/dev/null' sh
    /// = 1.1.1.1 via 192.168.1.1 dev eth0 src 192.168.1.20 uid 0
    /// = 1: lo    inet 127.0.0.1/8 scope host lo
    /// = 2: eth0    inet 192.168.1.20/24 brd 192.168.1.255 scope global eth0
    /// = link eth0 1500 02:fc:00:00:00:01
    /// = link lo 65536 00:00:00:00:00:00
    /// ```
    DefaultIpv4 -> Option<Ipv4>: |host| network(host).await?.default
}

fact! {
    /// Ask for all IPv4 addresses but those of the host to itself.
    ///
    /// Each has what `default_ipv4` has; `gateway` is empty.
    ///
    /// ```rhai
    /// for ip in facts::ipv4_addresses() { print(ip.address); }
    /// ```
    /// ```transcript
    /// ? sh -c 'ip -4 route get 1.1.1.1 2>/dev/null | head -n 1; ip -o -4 addr show || exit; for i in /sys/class/net/*; do read -r a <$i/address; read -r m <$i/mtu; echo "link ${i##*/} $m $a"; done 2>/dev/null' sh
    /// = 1.1.1.1 via 192.168.1.1 dev eth0 src 192.168.1.20 uid 0
    /// = 1: lo    inet 127.0.0.1/8 scope host lo
    /// = 2: eth0    inet 192.168.1.20/24 brd 192.168.1.255 scope global eth0
    /// = link eth0 1500 02:fc:00:00:00:01
    /// = link lo 65536 00:00:00:00:00:00
    /// ```
    Ipv4Addresses -> Vec<Ipv4>: |host| network(host).await?.addresses
}

fact! {
    /// Ask for the network interfaces and all their addresses.
    ///
    /// Each has `name`, `state` (`up`, `down`, `unknown`), `mtu`, `macaddress`, and `ipv4` and `ipv6`, lists of addresses with
    /// their prefix such as `192.168.1.20/24`.
    ///
    /// ```rhai
    /// for i in facts::interfaces() { if i.state == "up" { print(i.name); } }
    /// ```
    /// ```transcript
    /// ? sh -c 'for i in /sys/class/net/*; do echo "link ${i##*/} $(cat $i/operstate) $(cat $i/mtu) $(cat $i/address)"; done 2>/dev/null; ip -o addr show' sh
    /// = link eth0 up 1500 02:fc:00:00:00:01
    /// = link lo unknown 65536 00:00:00:00:00:00
    /// = 1: lo    inet 127.0.0.1/8 scope host lo
    /// = 2: eth0    inet 192.168.1.20/24 brd 192.168.1.255 scope global eth0
    /// = 2: eth0    inet6 fe80::1/64 scope link
    /// ```
    Interfaces -> Vec<Interface>: |host| interfaces(host).await?
}

fact! {
    /// Ask for the name servers, and the domains that short names are looked for in.
    ///
    /// The answer has `servers` and `search`, both lists. Behind the stub of systemd-resolved, they are its servers.
    ///
    /// ```rhai
    /// print(facts::dns().servers);
    /// ```
    /// ```transcript
    /// ? sh -c 'f=/etc/resolv.conf r=/run/systemd/resolve/resolv.conf; if grep -q "^nameserver 127.0.0.53" $f 2>/dev/null && [ -e $r ]; then f=$r; fi; cat $f 2>/dev/null || true' sh
    /// = # made by hand
    /// = nameserver 192.168.1.1
    /// = nameserver fd00::1
    /// = search lan example.com
    /// ```
    Dns -> Resolver: |host| resolver(&script(host, DNS).await?)
}

fact! {
    /// Ask for the ports that programs listen on.
    ///
    /// Each has `protocol` (`tcp`, `udp`), `address`, `port`, `program` and `pid`. Whose port it is, only root is told: without
    /// that, `program` is empty.
    ///
    /// ```rhai
    /// let web = facts::listening().filter(|l| l.port == 80);
    /// ```
    /// ```transcript
    /// ? ss -H -lntup
    /// = tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=71,fd=7))
    /// = udp UNCONN 0 0 [::1]:323 [::]:* users:(("chronyd",pid=80,fd=6))
    /// ```
    Listening -> Vec<Listener>: |host| listeners(&ask(host, "ss", &["-H", "-lntup"]).await?)
}

/// A network interface.
#[derive(Debug, Default, Serialize)]
pub struct Interface {
    name: String,
    state: String,
    mtu: u32,
    macaddress: String,
    ipv4: Vec<String>,
    ipv6: Vec<String>,
}

async fn interfaces(host: &dyn Look) -> Result<Vec<Interface>> {
    let text = script(host, r#"for i in /sys/class/net/*; do echo "link ${i##*/} $(cat $i/operstate) $(cat $i/mtu) $(cat $i/address)"; done 2>/dev/null; ip -o addr show"#).await?;
    let lines = || text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let link = |words: Vec<&str>| {
        let word = |at: usize| words.get(at).map(|word| (*word).to_owned()).unwrap_or_default();
        (words.first() == Some(&"link")).then(|| Interface {
            name: word(1),
            state: word(2),
            mtu: word(3).parse().unwrap_or(0),
            macaddress: word(4),
            ..Interface::default()
        })
    };
    let mut found: Vec<Interface> = lines().filter_map(link).collect();
    for words in lines() {
        let (Some(name), Some(family), Some(address)) = (words.get(1), words.get(2), words.get(3)) else { continue };
        // `eth0@if7` is eth0 seen from inside of a container.
        let name = name.split('@').next();
        let Some(interface) = found.iter_mut().find(|found| Some(found.name.as_str()) == name) else { continue };
        match *family {
            "inet" => interface.ipv4.push((*address).to_owned()),
            "inet6" => interface.ipv6.push((*address).to_owned()),
            _ => {}
        }
    }
    Ok(found)
}

const DNS: &str = r#"f=/etc/resolv.conf r=/run/systemd/resolve/resolv.conf; if grep -q "^nameserver 127.0.0.53" $f 2>/dev/null && [ -e $r ]; then f=$r; fi; cat $f 2>/dev/null || true"#;

/// Where names are looked up.
#[derive(Debug, Serialize)]
pub struct Resolver {
    servers: Vec<String>,
    search: Vec<String>,
}

fn resolver(text: &str) -> Resolver {
    let after = |key: &'static str| text.lines().filter_map(move |line| line.trim().strip_prefix(key));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let servers = after("nameserver ").filter_map(|line| words(line).into_iter().next());
    // The last one counts.
    let search = after("search ").last().or(after("domain ").last());
    Resolver { servers: servers.collect(), search: search.map(words).unwrap_or_default() }
}

/// A port that a program listens on.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Listener {
    protocol: String,
    address: String,
    port: u16,
    program: String,
    pid: Option<u32>,
}

fn listeners(text: &str) -> Vec<Listener> {
    let listener = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (address, port) = words.get(4)?.rsplit_once(':')?;
        let users = words.get(6).copied().unwrap_or_default();
        let pid = users.split("pid=").nth(1).and_then(|rest| rest.split([',', ')']).next()?.parse().ok());
        Some(Listener {
            protocol: (*words.first()?).to_owned(),
            address: address.trim_matches(['[', ']']).to_owned(),
            port: port.parse().ok()?,
            program: users.split('"').nth(1).unwrap_or_default().to_owned(),
            pid,
        })
    };
    text.lines().filter_map(listener).collect()
}
