//! `from_xml`: XML as maps, the way xmltodict has it: `@attribute`, `#text`, a list where a name stands twice.

use super::{Answer, Args, Filter, wrong};
use crate::shared::template::print::{from_json, print};
use minijinja::{State, Value};
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value as Json};

pub(super) const FILTERS: &[(&str, Filter)] = &[("from_xml", from_xml)];

#[derive(Default)]
struct Element {
    name: String,
    inside: Map<String, Json>,
    text: String,
}

impl Element {
    /// What an element is in the end: its text, or a map of what it has.
    fn finish(mut self) -> (String, Json) {
        let text = self.text.trim();
        let text = if text.is_empty() { Json::Null } else { Json::from(text) };
        if self.inside.is_empty() {
            return (self.name, text);
        }
        if !text.is_null() {
            self.inside.insert("#text".to_owned(), text);
        }
        (self.name, Json::Object(self.inside))
    }

    fn add(&mut self, (name, value): (String, Json)) {
        match self.inside.get_mut(&name) {
            Some(Json::Array(list)) => list.push(value),
            Some(first) => *first = Json::Array(vec![first.take(), value]),
            None => drop(self.inside.insert(name, value)),
        }
    }
}

fn bad(error: impl std::fmt::Display) -> minijinja::Error {
    wrong(format!("from_xml: not XML: {error}"))
}

fn begin(start: &BytesStart<'_>) -> Answer<Element> {
    let mut element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(bad)?;
        let value = quick_xml::escape::unescape(&attribute.value).map_err(bad)?.into_owned();
        element.inside.insert(format!("@{}", attribute.key.as_ref()), Json::String(value));
    }
    Ok(element)
}

fn from_xml(_: &mut State, value: &Value, args: &Args) -> Answer {
    let engine = args.text(0, "engine", "xmltodict")?;
    if engine != "xmltodict" {
        return Err(wrong(format!("from_xml has no engine `{engine}`; it has xmltodict")));
    }
    let text = print(value)?;
    let mut reader = quick_xml::Reader::from_str(&text);
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(bad)?;
        let depth = open.len();
        let Some(last) = open.last_mut() else { return Err(bad("an end without a beginning")) };
        match event {
            Event::Start(start) => open.push(begin(&start)?),
            Event::Empty(start) => last.add(begin(&start)?.finish()),
            Event::Text(part) => last.text += &part,
            Event::CData(part) => last.text += &part,
            Event::GeneralRef(name) => {
                last.text += &quick_xml::escape::unescape(&format!("&{};", &*name)).map_err(bad)?;
            }
            Event::End(_) => {
                let done = open.pop().unwrap_or_default().finish();
                open.last_mut().ok_or_else(|| bad("an end without a beginning"))?.add(done);
            }
            Event::Eof if depth > 1 => return Err(bad(format!("`{}` does not end", last.name))),
            Event::Eof if last.inside.is_empty() => return Err(bad("there is no element")),
            Event::Eof => return Ok(from_json(&Json::Object(std::mem::take(&mut last.inside)))),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}
