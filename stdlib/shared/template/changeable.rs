//! Lists and maps that a template changes with Python's methods: `{% set l = [] %}{% set _ = l.append(1) %}`. What a
//! template writes as `[...]` or `{...}` can be changed so; what it was given cannot.

use super::filters::{Answer, items, whole, wrong};
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The methods that change something.
pub(super) const METHODS: [&str; 10] =
    ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "setdefault", "sort", "update"];

#[derive(Debug, Default)]
struct List(Mutex<Vec<Value>>);

#[derive(Debug, Default)]
struct Map(Mutex<Vec<(Value, Value)>>);

impl List {
    fn lock(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Map {
    fn lock(&self) -> MutexGuard<'_, Vec<(Value, Value)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &Value) -> Option<Value> {
        self.lock().iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    }

    fn put(&self, key: Value, value: Value) {
        let mut pairs = self.lock();
        match pairs.iter_mut().find(|(known, _)| *known == key) {
            Some(pair) => pair.1 = value,
            None => pairs.push((key, value)),
        }
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lock().get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lock().clone())
    }
}

impl Object for Map {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.find(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lock().iter().map(|(key, _)| key.clone()).collect())
    }
}

/// A list or map of its own that can be changed.
pub(super) fn changeable(value: &Value) -> Answer {
    Ok(match value.kind() {
        ValueKind::Map => {
            let pair = |key: Value| Ok((key.clone(), value.get_item(&key)?));
            let pairs = items(value)?.into_iter().map(pair).collect::<Answer<_>>()?;
            Value::from_object(Map(Mutex::new(pairs)))
        }
        _ => Value::from_object(List(Mutex::new(items(value)?))),
    })
}

/// Whether a value is an object, or has it inside.
fn holds(value: &Value, object: &DynObject) -> bool {
    let inside = || match value.kind() {
        ValueKind::Map => items(value)
            .unwrap_or_default()
            .iter()
            .any(|key| value.get_item(key).is_ok_and(|value| holds(&value, object))),
        ValueKind::Seq => items(value).unwrap_or_default().iter().any(|item| holds(item, object)),
        _ => false,
    };
    let same = |it: &DynObject| {
        let lists = it.downcast_ref::<List>().zip(object.downcast_ref::<List>());
        let maps = it.downcast_ref::<Map>().zip(object.downcast_ref::<Map>());
        lists.is_some_and(|(a, b)| std::ptr::eq(a, b)) || maps.is_some_and(|(a, b)| std::ptr::eq(a, b))
    };
    value.as_object().is_some_and(same) || inside()
}

/// Calls a method that changes this value; none if the value or the method is not of that kind.
pub(super) fn change(value: &Value, method: &str, args: &[Value]) -> Option<Answer> {
    let object = value.as_object()?;
    if !METHODS.contains(&method) && method != "copy" {
        return None;
    }
    if args.iter().any(|arg| holds(arg, object)) {
        return Some(Err(wrong(format!("{method}: it would hold itself"))));
    }
    match (object.downcast_ref::<List>(), object.downcast_ref::<Map>()) {
        (Some(_), _) | (_, Some(_)) if method == "copy" => Some(changeable(value)),
        (Some(list), _) => list.call(method, args).transpose(),
        (_, Some(map)) => map.call(method, args).transpose(),
        _ => None,
    }
}

fn need(args: &[Value], place: usize) -> Answer {
    args.get(place).cloned().ok_or_else(|| Error::from(ErrorKind::MissingArgument))
}

/// A place in a list as Python counts: from its end if negative.
fn place(index: i64, length: usize) -> Option<usize> {
    usize::try_from(if index < 0 { index + length as i64 } else { index }).ok()
}

impl List {
    fn call(&self, method: &str, args: &[Value]) -> Answer<Option<Value>> {
        let nothing = Some(Value::from(()));
        match method {
            "append" => self.lock().push(need(args, 0)?),
            "extend" => {
                let more = items(&need(args, 0)?)?;
                self.lock().extend(more);
            }
            "insert" => {
                let index = whole(&need(args, 0)?).ok_or_else(|| wrong("insert: the place is no number"))?;
                let mut list = self.lock();
                let at = place(index, list.len()).unwrap_or(0).min(list.len());
                list.insert(at, need(args, 1)?);
            }
            "pop" => {
                let index = args.first().map_or(Some(-1), whole).ok_or_else(|| wrong("pop: the place is no number"))?;
                let mut list = self.lock();
                let at = place(index, list.len()).filter(|at| *at < list.len());
                return at.map(|at| Some(list.remove(at))).ok_or_else(|| wrong("pop: the list has no such place"));
            }
            "remove" => {
                let wanted = need(args, 0)?;
                let mut list = self.lock();
                let at = list.iter().position(|item| *item == wanted);
                list.remove(at.ok_or_else(|| wrong("remove: it is not in the list"))?);
            }
            "reverse" => self.lock().reverse(),
            "clear" => self.lock().clear(),
            "sort" => {
                let named = args.last().filter(|last| last.is_kwargs());
                let back = named.is_some_and(|named| named.get_attr("reverse").is_ok_and(|v| v.is_true()));
                let mut sorted = self.lock().clone();
                super::filters::sorted(&mut sorted, back)?;
                *self.lock() = sorted;
            }
            _ => return Ok(None),
        }
        Ok(nothing)
    }
}

impl Map {
    fn call(&self, method: &str, args: &[Value]) -> Answer<Option<Value>> {
        match method {
            "update" => {
                for more in args {
                    for item in items(more)? {
                        // A map gives its keys, a list pairs.
                        match more.kind() {
                            ValueKind::Map => self.put(item.clone(), more.get_item(&item)?),
                            _ => self.put(item.get_item_by_index(0)?, item.get_item_by_index(1)?),
                        }
                    }
                }
            }
            "setdefault" => {
                let (key, default) = (need(args, 0)?, args.get(1).cloned().unwrap_or_else(|| Value::from(())));
                return Ok(Some(self.find(&key).unwrap_or_else(|| {
                    self.put(key, default.clone());
                    default
                })));
            }
            "pop" => {
                let key = need(args, 0)?;
                let mut pairs = self.lock();
                let at = pairs.iter().position(|(known, _)| *known == key);
                return match (at, args.get(1)) {
                    (Some(at), _) => Ok(Some(pairs.remove(at).1)),
                    (None, Some(default)) => Ok(Some(default.clone())),
                    (None, None) => Err(wrong(format!("pop: the map has no {key}"))),
                };
            }
            "clear" => self.lock().clear(),
            _ => return Ok(None),
        }
        Ok(Some(Value::from(())))
    }
}
