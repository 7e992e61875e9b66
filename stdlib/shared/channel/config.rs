//! The `channels` of a project's configuration: what is wrong there is told with its line, all at once.

use super::find;
use crate::contract::{Error, Result, Site, nearest};
use crate::shared::yaml::{Data, Entry, Node, UNSAFE, VAULT, marked};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The channels of a project: what is written of each, and where.
pub type Channels = BTreeMap<String, (Value, Site)>;

/// Reads `channels: { NAME: { kind, ... } }`. Values may be templates and encrypted: they are filled in when the
/// channel is used.
pub fn read(node: &Node) -> Result<Channels, Vec<Error>> {
    let Data::Map(channels) = &node.data else {
        let error = Error::playbook(format!("`channels` is a map from name to channel, not {}", node.kind()));
        return Err(vec![error.hint("channels: { ops: { kind: ntfy, topic: homelab } }").at(node.site.clone())]);
    };
    let mut errors = Vec::new();
    let mut found = BTreeMap::new();
    for channel in channels {
        errors.extend(wrong(channel));
        found.insert(channel.key.clone(), (channel.value.to_json(), channel.site.clone()));
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

fn wrong(channel: &Entry) -> Vec<Error> {
    let name = &channel.key;
    let at = |error: Error| error.at(channel.site.clone());
    let Data::Map(entries) = &channel.value.data else {
        return vec![at(Error::playbook(format!("channel `{name}` is a map, not {}", channel.value.kind())))];
    };
    let mut values: Map<String, Value> =
        entries.iter().map(|e| (e.key.clone(), readable(&e.value.to_json()))).collect();
    let site = |key: &str| entries.iter().find(|e| e.key == key).map_or(&channel.site, |e| &e.site).clone();
    let kind = match find(values.get("kind").and_then(Value::as_str).unwrap_or_default()) {
        Ok(kind) => kind,
        Err(mut error) => {
            error.message = format!("channel `{name}`: {}", error.message);
            return vec![error.at(site("kind"))];
        }
    };
    let keys = (kind.keys)();
    let known = || keys.iter().map(|key| key.name.as_str()).chain(["kind", "validate_certs"]);
    let mut errors = Vec::new();
    for entry in entries.iter().filter(|e| known().all(|key| key != e.key)) {
        let error = Error::playbook(format!("channel `{name}` of kind {} has no key `{}`", kind.name, entry.key));
        let error = match nearest(&entry.key, known()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("its keys are {}", known().collect::<Vec<_>>().join(", "))),
        };
        errors.push(error.at(entry.site.clone()));
    }
    for key in keys.iter().filter(|key| key.required && !values.contains_key(&key.name)) {
        let error = Error::playbook(format!("channel `{name}` of kind {} needs `{}`", kind.name, key.name));
        errors.push(at(error.hint(key.docs.replace('\n', " "))));
    }
    if values.get("validate_certs").is_some_and(|value| !value.is_boolean()) {
        errors.push(Error::playbook("`validate_certs` is true or false").at(site("validate_certs")));
    }
    values.retain(|key, _| key != "kind" && key != "validate_certs");
    if errors.is_empty()
        && let Err(error) = (kind.parse)(Value::Object(values))
    {
        let path = error.path().to_string();
        let key = path.split(['.', '[']).next().unwrap_or_default();
        errors.push(Error::playbook(format!("channel `{name}`, `{path}`: {}", error.inner())).at(site(key)));
    }
    errors
}

/// A value whose encrypted and protected texts are texts.
fn readable(value: &Value) -> Value {
    if let Some(text) = marked(VAULT, value).or_else(|| marked(UNSAFE, value)) {
        return text.into();
    }
    match value {
        Value::Array(items) => items.iter().map(readable).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), readable(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::yaml::parse;

    fn told(text: &str) -> Vec<String> {
        let errors = read(&parse("hlrun.yaml", text).unwrap()).err().unwrap_or_default();
        let line = |e: &Error| {
            let at = e.at.clone().unwrap_or_default();
            format!("{}:{} {} ({})", at.line, at.column, e.message, e.hints.join("; "))
        };
        errors.iter().map(line).collect()
    }

    #[test]
    fn what_is_wrong_with_channels_is_told_all_at_once_with_its_place() {
        let text = "\
ops: { kind: ntfy, topc: homelab }
mail: { kind: mial }
phone: { kind: pushover, token: x }
chat: {kind: telegram, token: t, chat_id: [1]}
board: { url: x }
list: [a]
";
        let expected = [
            "1:20 channel `ops` of kind ntfy has no key `topc` (did you mean `topic`?)",
            "1:1 channel `ops` of kind ntfy needs `topic` (The topic.)",
            "2:9 channel `mail`: there is no kind of channel `mial` (did you mean `mail`?)",
            "3:1 channel `phone` of kind pushover needs `user` (The key of the user or group that gets the message.)",
            "4:34 channel `chat`, `chat_id`: it is a number or text ()",
            "5:1 channel `board`: it needs a `kind` \
             (the kinds are alertmanager, discord, gotify, healthchecks, mail, ntfy, pushover, slack, telegram, \
             uptime_kuma, webhook)",
            "6:1 channel `list` is a map, not a list ()",
        ];
        assert_eq!(told(text), expected);
    }

    #[test]
    fn what_is_filled_in_later_may_be_a_template_or_encrypted() {
        let text = "\
ops: { kind: gotify, url: \"http://{{ nas }}\", token: !vault \"$ANSIBLE_VAULT;1.1;AES256\" }
self: { kind: ntfy, topic: t, validate_certs: false }
";
        assert_eq!(told(text), Vec::<String>::new());
    }
}
