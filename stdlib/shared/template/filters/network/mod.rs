//! `ipaddr` and its family, as `ansible.utils` has them on netaddr.

mod net;
mod query;

use super::{Answer, Args, Filter, items, whole, wrong};
use crate::shared::template::print::print;
use minijinja::value::ValueKind;
use minijinja::{State, Value};
use net::Net;
use query::{ask, is_query, kind};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("ipaddr", |_, value, args| ipaddr(value, args, None, "ipaddr")),
    ("ipv4", |_, value, args| ipaddr(value, args, Some(false), "ipv4")),
    ("ipv6", |_, value, args| ipaddr(value, args, Some(true), "ipv6")),
    ("ipwrap", ipwrap),
    ("ipsubnet", ipsubnet),
    ("ipmath", ipmath),
    ("nthhost", nthhost),
    ("next_nth_usable", |_, value, args| nth_usable(value, args, 1)),
    ("previous_nth_usable", |_, value, args| nth_usable(value, args, -1)),
    ("network_in_network", |_, value, args| {
        let inside = spanned(&args.need(0, "test")?)?;
        Ok(Value::from(spanned(value)?.0 <= inside.0 && inside.1 <= spanned(value)?.1))
    }),
    ("network_in_usable", network_in_usable),
    ("reduce_on_network", reduce_on_network),
    ("cidr_merge", cidr_merge),
];

/// What a value says: the address, whether it was written as a network, and its text in order.
pub(super) struct Given {
    net: Net,
    network: bool,
    text: String,
}

fn given(value: &Value, v6: Option<bool>) -> Answer<Option<Given>> {
    let text = print(value)?;
    if !value.is_true() || value.kind() == ValueKind::Bool {
        return Ok(None);
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let number = text.parse().ok();
        let net = number.and_then(|ip| match v6 {
            Some(true) => Net::single(ip, true),
            _ => Net::single(ip, false).or_else(|| Net::single(ip, true)),
        });
        return Ok(net.map(|net| Given { net, network: false, text: net.to_string() }));
    }
    if let Some(net) = Net::parse(&text) {
        return Ok(Some(Given { net, network: text.contains('/'), text }));
    }
    // `3232235777/24`
    let parts = text.split_once('/').and_then(|(ip, prefix)| Some((ip.parse().ok()?, prefix.parse().ok()?)));
    let net = parts.and_then(|(ip, prefix): (u128, u32)| {
        let four = Net::single(ip, false).and_then(|net| net.with(prefix));
        four.or_else(|| Net::single(ip, true).and_then(|net| net.with(prefix)))
    });
    Ok(net.map(|net| Given { net, network: true, text: net.to_string() }))
}

fn ipaddr(value: &Value, args: &Args, v6: Option<bool>, name: &str) -> Answer {
    let query = args.text(0, "query", "")?;
    addressed(value, &query, v6, name)
}

fn addressed(value: &Value, query: &str, v6: Option<bool>, name: &str) -> Answer {
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        let answers = items(value)?.iter().map(|item| addressed(item, query, v6, name)).collect::<Answer<Vec<_>>>()?;
        return Ok(answers.into_iter().filter(Value::is_true).collect());
    }
    let Some(given) = given(value, v6)? else { return Ok(Value::from(false)) };
    if v6.is_some_and(|v6| v6 != given.net.v6) {
        return Ok(Value::from(false));
    }
    if is_query(query) {
        return ask(&given, value, query);
    }
    if !query.bytes().all(|b| b.is_ascii_digit())
        && let Some(net) = Net::parse(query)
    {
        return Ok(if net.holds(&given.net) { value.clone() } else { Value::from(()) });
    }
    let Ok(place) = query.trim().parse::<f64>() else {
        return Err(wrong(format!("{name}: unknown filter type: {query}")));
    };
    if given.net.single_address() {
        return Ok(Value::from(if given.network { given.net.to_string() } else { given.net.address() }));
    }
    match given.net.at(place as i128) {
        Some(ip) => Ok(Value::from(format!("{}/{}", given.net.text(ip), given.net.prefix))),
        None => Ok(Value::from(false)),
    }
}

/// The network that a value is, or is in; what it names may also be a single address.
fn network(value: &Value) -> Answer<Option<Net>> {
    let given = given(value, None)?;
    Ok(given.filter(|given| kind(&given.net).is_some()).map(|given| given.net))
}

fn ipwrap(_: &mut State, value: &Value, args: &Args) -> Answer {
    let query = args.text(0, "query", "")?;
    let wrap = |item: &Value| -> Value {
        let found = addressed(item, &query, None, "ipwrap").ok().filter(Value::is_true);
        let wrapped = found.and_then(|found| addressed(&found, "wrap", None, "ipwrap").ok());
        wrapped.unwrap_or_else(|| item.clone())
    };
    Ok(match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => items(value)?.iter().map(wrap).collect(),
        _ => wrap(value),
    })
}

fn ipsubnet(_: &mut State, value: &Value, args: &Args) -> Answer {
    let no = || Ok(Value::from(false));
    let Some(net) = network(value)? else { return no() };
    let (net, query) = (net.cidr(), args.text(0, "query", "")?);
    let index = args.get(1, "index")?.filter(|index| !index.is_none());
    let index =
        index.map(|index| whole(&index).ok_or_else(|| wrong("ipsubnet: the index is no number"))).transpose()?;
    if query.is_empty() {
        return Ok(Value::from(net.to_string()));
    }
    let single = net.single_address();
    let Ok(size) = query.parse::<u32>() else { return rank(&net, &query) };
    if size > net.bits() {
        return no();
    }
    // Around one address there are larger and larger networks, in a network smaller ones.
    let larger = |prefix: i64| {
        let prefix = u32::try_from(prefix).ok().filter(|prefix| (size..net.bits()).contains(prefix));
        prefix.map(|prefix| Net { prefix, ..net }.cidr().to_string())
    };
    let found = match index {
        None if single => larger(i64::from(size)),
        None if size < net.prefix => {
            return Err(wrong(format!("ipsubnet: Requested subnet size of {size} is invalid")));
        }
        None => 1u128.checked_shl(size - net.prefix).map(|count| count.to_string()),
        Some(index) if single => larger(if index < 0 { i64::from(net.bits()) } else { i64::from(size) } + index),
        Some(_) if size < net.prefix => None,
        Some(index) => {
            let count = 1i128.checked_shl(size - net.prefix).unwrap_or(i128::MAX);
            let place = if index < 0 { count + i128::from(index) } else { i128::from(index) };
            let place = u128::try_from(place).ok().filter(|_| place < count);
            place.map(|place| {
                let step = place.checked_shl(net.bits() - size).unwrap_or(0);
                Net { ip: net.ip + step, prefix: size, ..net }.to_string()
            })
        }
    };
    found.map_or_else(no, |text| Ok(Value::from(text)))
}

/// Which of its likes a network is in a larger one, counted from 1.
fn rank(net: &Net, query: &str) -> Answer {
    let Some(around) = network(&Value::from(query))? else {
        return Err(wrong(format!("ipsubnet: You must pass a valid subnet or IP address; {query} is invalid")));
    };
    if !around.holds(net) {
        return Err(wrong(format!("ipsubnet: {net} is not in the subnet {}", around.cidr())));
    }
    let place = (net.ip & around.hostmask()).checked_shr(net.bits() - net.prefix).unwrap_or(0);
    Ok(Value::from((place + 1).to_string()))
}

fn ipmath(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    let amount = args.need(0, "amount")?;
    let Some(net) = Net::parse(&text) else {
        return Err(wrong(format!("ipmath: You must pass a valid IP address; {text} is invalid")));
    };
    let Some(amount) = whole(&amount) else { return Err(wrong(format!("ipmath: {amount} is not a whole number"))) };
    let moved = net.ip.checked_add_signed(i128::from(amount)).filter(|ip| *ip <= net.all());
    let ip = moved.ok_or_else(|| wrong(format!("ipmath: there is no address at {} {amount:+}", net.address())))?;
    Ok(Value::from(net.text(ip)))
}

fn nthhost(_: &mut State, value: &Value, args: &Args) -> Answer {
    let query = args.text(0, "query", "")?;
    let place = query.parse::<i64>().ok();
    let found = match (network(value)?, place) {
        (Some(net), Some(place)) => net.at(i128::from(place)).map(|ip| net.text(ip)),
        _ => None,
    };
    Ok(found.map_or(Value::from(false), Value::from))
}

fn nth_usable(value: &Value, args: &Args, direction: i128) -> Answer {
    let offset = whole(&args.need(0, "offset")?).ok_or_else(|| wrong("Must pass in an integer"))?;
    let Some(given) = given(value, None)? else { return Ok(Value::from(false)) };
    let net = if kind(&given.net) == Some("network") { given.net.cidr() } else { given.net };
    if net.single_address() {
        return Ok(Value::from(()));
    }
    let (first, last) = net.usable();
    let ip = net.ip.checked_add_signed(direction * i128::from(offset)).filter(|ip| (first..=last).contains(ip));
    Ok(ip.map_or(Value::from(()), |ip| Value::from(net.text(ip))))
}

/// The first and last address of what a value names, each with its version before it.
fn spanned(value: &Value) -> Answer<((bool, u128), (bool, u128))> {
    let text = print(value)?;
    let net = network(value)?.ok_or_else(|| wrong(format!("`{text}` is no address or network")))?;
    Ok(((net.v6, net.first()), (net.v6, net.last())))
}

fn network_in_usable(_: &mut State, value: &Value, args: &Args) -> Answer {
    let text = print(value)?;
    let inside = spanned(&args.need(0, "test")?)?;
    let net = network(value)?.ok_or_else(|| wrong(format!("`{text}` is no address or network")))?;
    let (first, last) = if net.single_address() { (net.ip, net.ip) } else { net.usable() };
    Ok(Value::from((net.v6, first) <= inside.0 && inside.1 <= (net.v6, last)))
}

fn reduce_on_network(_: &mut State, value: &Value, args: &Args) -> Answer {
    let around = spanned(&args.need(0, "network")?)?;
    let mut kept = Vec::new();
    for item in items(value)? {
        let inside = spanned(&item)?;
        if around.0 <= inside.0 && inside.1 <= around.1 {
            kept.push(item);
        }
    }
    Ok(Value::from(kept))
}

fn cidr_merge(_: &mut State, value: &Value, args: &Args) -> Answer {
    let parse = |item: &Value| -> Answer<Net> {
        let text = print(item)?;
        Net::parse(&text).ok_or_else(|| wrong(format!("cidr_merge: `{text}` is no network")))
    };
    let nets = items(value)?.iter().map(parse).collect::<Answer<Vec<Net>>>()?;
    match args.text(0, "action", "merge")?.as_str() {
        "merge" => Ok(net::merged(&nets).iter().map(Net::to_string).collect()),
        "span" => match nets.as_slice() {
            [] => Ok(Value::from(())),
            [one] => Ok(Value::from(one.to_string())),
            many => match net::spanning(many) {
                Some(net) => Ok(Value::from(net.to_string())),
                None => Err(wrong("cidr_merge: networks of IPv4 and IPv6 have no common one")),
            },
        },
        other => Err(wrong(format!("cidr_merge: invalid action '{other}'; there are merge and span"))),
    }
}
