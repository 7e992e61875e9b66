//! Dates: `now()`, `strftime`, `to_datetime`, and what Python's `datetime` and `timedelta` can do in a template.

use super::{Answer, Args, Filter, wrong};
use crate::shared::template::{World, print::print};
use jiff::civil::DateTime;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};
use minijinja::value::{DynObject, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

pub(super) const FILTERS: &[(&str, Filter)] = &[("strftime", strftime), ("to_datetime", to_datetime), ("minus", minus)];

/// Python's `datetime` without a zone: the zone is the controller's where one is needed.
#[derive(Debug)]
struct Moment {
    at: DateTime,
    world: Option<World>,
}

/// Python's `timedelta`.
#[derive(Debug)]
struct Distance(SignedDuration);

/// The global `now(utc=False, fmt=None)`.
pub(super) fn now(args: &Args) -> Answer {
    let world = args.world()?;
    let mut now = (world.now)();
    if args.flag(0, "utc", false)? {
        now = now.with_time_zone(TimeZone::UTC);
    }
    let at = now.datetime();
    // Python counts microseconds.
    let whole = at.subsec_nanosecond() / 1000 * 1000;
    let at = at.with().subsec_nanosecond(whole).build().map_err(|e| wrong(e.to_string()))?;
    let moment = Moment { at, world: Some(world) };
    match args.get(1, "fmt")?.filter(Value::is_true) {
        Some(form) => moment.form(&print(&form)?).map(Value::from),
        None => Ok(Value::from_object(moment)),
    }
}

fn written(form: &str, time: &BrokenDownTime) -> Answer<String> {
    let config = Config::new().custom(PosixCustom::new());
    // Python's microseconds have six digits.
    time.to_string_with_config(&config, &form.replace("%f", "%6f"))
        .map_err(|e| wrong(format!("`{form}` is no form of a time: {e}")))
}

fn strftime(_: &mut State, value: &Value, args: &Args) -> Answer {
    let second = args.get(0, "second")?.filter(|second| !second.is_none());
    let utc = args.flag(1, "utc", false)?;
    let world = args.world()?;
    let mut time: Zoned = (world.now)();
    if let Some(second) = second {
        let bad = || wrong(format!("strftime: {second} is no number of seconds since 1970"));
        let number = print(&second)?.trim().parse::<f64>().map_err(|_| bad())?;
        let at = Timestamp::from_second(number.floor() as i64).map_err(|_| bad())?;
        time = at.to_zoned(time.time_zone().clone());
    }
    if utc {
        time = time.with_time_zone(TimeZone::UTC);
    }
    written(&print(value)?, &BrokenDownTime::from(&time)).map(Value::from)
}

fn to_datetime(_: &mut State, value: &Value, args: &Args) -> Answer {
    let (text, form) = (print(value)?, args.text(0, "format", "%Y-%m-%d %H:%M:%S")?);
    if form.contains("%z") || form.contains("%Z") {
        return Err(wrong("to_datetime: times with a zone are not supported; cut the zone off before"));
    }
    let parsed = BrokenDownTime::parse(&form, &text);
    let at = parsed.and_then(|mut time| {
        // What is not said is the beginning of 1900, as in Python.
        if time.year().is_none() && time.iso_week().is_none() {
            time.set_year(Some(1900))?;
        }
        if time.day_of_year().is_none() {
            time.set_month(Some(time.month().unwrap_or(1)))?;
            time.set_day(Some(time.day().unwrap_or(1)))?;
        }
        let clock = time.to_time().unwrap_or_default();
        Ok(time.to_date()?.to_datetime(clock))
    });
    let at = at.map_err(|e| wrong(format!("to_datetime: `{text}` does not look like `{form}`: {e}")))?;
    Ok(Value::from_object(Moment { at, world: args.world().ok() }))
}

/// `a - b`, which the template is rewritten to where dates are near.
fn minus(_: &mut State, value: &Value, args: &Args) -> Answer {
    let other = args.need(0, "other")?;
    let moment = |value: &Value| value.downcast_object::<Moment>();
    let distance = |value: &Value| value.downcast_object::<Distance>();
    if let (Some(a), Some(b)) = (moment(value), moment(&other)) {
        return Ok(Value::from_object(Distance(b.at.duration_until(a.at))));
    }
    if let (Some(a), Some(b)) = (moment(value), distance(&other)) {
        let at = a.at.checked_sub(b.0).map_err(|e| wrong(e.to_string()))?;
        return Ok(Value::from_object(Moment { at, world: a.world }));
    }
    if let (Some(a), Some(b)) = (distance(value), distance(&other)) {
        return Ok(Value::from_object(Distance(a.0 - b.0)));
    }
    match (value.as_i64(), other.as_i64()) {
        (Some(a), Some(b)) if value.is_integer() && other.is_integer() => Ok(Value::from(a - b)),
        _ if value.is_number() && other.is_number() => {
            Ok(Value::from(f64::try_from(value.clone())? - f64::try_from(other)?))
        }
        _ => Err(wrong(format!("`-` does not go with {} and {}", value.kind(), other.kind()))),
    }
}

impl Moment {
    fn form(&self, form: &str) -> Answer<String> {
        // A time without a zone has nothing to say here in Python.
        let form = form.replace("%z", "").replace("%Z", "");
        if form.contains("%s") {
            return written(&form.replace("%s", &(self.since_1970()?.floor() as i64).to_string()), &self.at.into());
        }
        written(&form, &self.at.into())
    }

    fn since_1970(&self) -> Answer<f64> {
        let world = self.world.ok_or_else(|| wrong("the time zone is not known here"))?;
        let zone = (world.now)().time_zone().clone();
        let at = self.at.to_zoned(zone).map_err(|e| wrong(e.to_string()))?;
        Ok(at.timestamp().as_microsecond() as f64 / 1e6)
    }

    fn text(&self, between: char) -> String {
        let at = self.at;
        let fraction = at.subsec_nanosecond() / 1000;
        let mut text = format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day());
        text += &format!("{between}{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
        if fraction > 0 {
            text += &format!(".{fraction:06}");
        }
        text
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = self.at;
        Some(Value::from(match key.as_str()? {
            "year" => i32::from(at.year()),
            "month" => i32::from(at.month()),
            "day" => i32::from(at.day()),
            "hour" => i32::from(at.hour()),
            "minute" => i32::from(at.minute()),
            "second" => i32::from(at.second()),
            "microsecond" => at.subsec_nanosecond() / 1000,
            _ => return None,
        }))
    }

    fn call_method(self: &Arc<Self>, _: &mut State, method: &str, args: &[Value]) -> Answer {
        Ok(match method {
            "strftime" => {
                let form = args.first().ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
                Value::from(self.form(&print(form)?)?)
            }
            "isoformat" => Value::from(self.text(args.first().and_then(|v| v.as_str()?.chars().next()).unwrap_or('T'))),
            "timestamp" => Value::from(self.since_1970()?),
            "weekday" => Value::from(self.at.weekday().to_monday_zero_offset()),
            "isoweekday" => Value::from(self.at.weekday().to_monday_one_offset()),
            "date" => Value::from(self.at.date().to_string()),
            "time" => Value::from(self.text(' ').split(' ').next_back().unwrap_or_default()),
            other => {
                return Err(Error::new(ErrorKind::UnknownMethod, format!("a time has no method named {other}")));
            }
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Moment>().map(|other| self.at.cmp(&other.at))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(' '))
    }
}

impl Distance {
    /// Days, seconds and microseconds, the last two never negative: as Python keeps them.
    fn parts(&self) -> (i64, i64, i64) {
        let micros = self.0.as_micros() as i64;
        let (day, second) = (86_400_000_000, 1_000_000);
        let rest = micros.rem_euclid(day);
        (micros.div_euclid(day), rest / second, rest % second)
    }
}

impl Object for Distance {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (days, seconds, microseconds) = self.parts();
        Some(Value::from(match key.as_str()? {
            "days" => days,
            "seconds" => seconds,
            "microseconds" => microseconds,
            _ => return None,
        }))
    }

    fn call_method(self: &Arc<Self>, _: &mut State, method: &str, _: &[Value]) -> Answer {
        match method {
            "total_seconds" => Ok(Value::from(self.0.as_micros() as f64 / 1e6)),
            other => Err(Error::new(ErrorKind::UnknownMethod, format!("a timedelta has no method named {other}"))),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Distance>().map(|other| self.0.cmp(&other.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds, micros) = self.parts();
        if days != 0 {
            write!(f, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(f, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if micros > 0 { write!(f, ".{micros:06}") } else { Ok(()) }
    }
}
