//! What disks say of their own health (S.M.A.R.T.), by smartctl: disks of ATA, NVMe and SCSI.
//!
//! The host needs smartmontools 7 or newer, and root (`within(#{ become: "root" }, ...)`). Disks that sleep are not woken,
//! unless `wake: true`. No disk of ours can be asked in tests: what is read here was held against some 150 documents of
//! smartctl that others have published, of ATA, NVMe and SCSI; where yours tells something else, `smartctl --json -a` shows it.

use crate::contract::{Command, Error, Fact, Look, Module, Output, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.fact::<Disks>().fact::<Healthy>();
}

/// A disk, as it describes itself; what it does not tell is nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Disk {
    name: String,
    protocol: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    size: Option<u64>,
    asleep: bool,
    passed: Option<bool>,
    temperature: Option<i64>,
    hours: Option<u64>,
    reallocated: Option<u64>,
    pending: Option<u64>,
    uncorrectable: Option<u64>,
    media_errors: Option<u64>,
    wear: Option<u64>,
    spare: Option<u64>,
    error: Option<String>,
}

/// Attributes of ATA that count down from 100 as an SSD wears out, by the names that vendors give them.
const LIFE: [&str; 7] = [
    "SSD_Life_Left",
    "Media_Wearout_Indicator",
    "Wear_Leveling_Count",
    "Percent_Lifetime_Remain",
    "Percent_Life_Remaining",
    "Remaining_Lifetime_Perc",
    "Drive_Life_Remaining%",
];

/// What smartctl says of a disk.
fn disk(name: &str, told: &Value) -> Disk {
    let number = |pointer: &str| told.pointer(pointer).and_then(Value::as_u64);
    let word = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let table = told.pointer("/ata_smart_attributes/table").and_then(Value::as_array);
    let attribute = |id: u64| table.into_iter().flatten().find(|row| row["id"] == id);
    // The upper bytes of a raw value are other numbers with some vendors.
    let raw = |id: u64| Some(attribute(id)?["raw"]["value"].as_u64()? & 0xffff_ffff);
    let life = || {
        let named = |row: &&Value| row["name"].as_str().is_some_and(|name| LIFE.contains(&name));
        table.into_iter().flatten().find(named)?["value"].as_u64().map(|left| 100_u64.saturating_sub(left))
    };
    let nvme = |key: &str| number(&format!("/nvme_smart_health_information_log/{key}"));
    let messages = told.pointer("/smartctl/messages").and_then(Value::as_array).into_iter().flatten();
    let texts: Vec<&str> = messages.filter_map(|message| message["string"].as_str()).collect();
    let mode = word("/power_mode/name").unwrap_or_default() + &texts.join(" ");
    let status = number("/smartctl/exit_status").unwrap_or_default();
    // Before 7.5 its JSON has no word for it: it was not asked, and nothing failed.
    let silent = status & 2 != 0 && texts.is_empty();
    let asleep = silent || ["STANDBY", "SLEEP"].iter().any(|state| mode.to_uppercase().contains(state));
    // The two lowest bits: it could not even be asked.
    let failed = status & 3 != 0 && !asleep;
    Disk {
        name: name.to_owned(),
        protocol: word("/device/protocol"),
        model: word("/model_name").or_else(|| word("/scsi_model_name")),
        serial: word("/serial_number"),
        size: number("/user_capacity/bytes").or_else(|| number("/nvme_total_capacity")),
        asleep,
        passed: told.pointer("/smart_status/passed").and_then(Value::as_bool),
        temperature: told.pointer("/temperature/current").and_then(Value::as_i64),
        hours: number("/power_on_time/hours").or_else(|| nvme("power_on_hours")),
        reallocated: raw(5).or_else(|| number("/scsi_grown_defect_list")),
        pending: raw(197),
        uncorrectable: raw(198),
        media_errors: nvme("media_errors"),
        wear: number("/endurance_used/current_percent").or_else(|| nvme("percentage_used")).or_else(life),
        spare: nvme("available_spare"),
        error: failed
            .then(|| texts.first().map_or_else(|| "smartctl cannot ask it".to_owned(), |text| (*text).to_owned())),
    }
}

/// The document that smartctl prints, whatever its exit code says of the disk.
fn document(output: &Output, command: &Command) -> Result<Value> {
    if output.code == 127 {
        return Err(Error::host("smartctl is not installed").hint("apt::installed(\"smartmontools\")"));
    }
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let old = output.text().contains("UNRECOGNIZED OPTION") || output.text().contains("unrecognized option");
        let error = crate::contract::refusal(command, output);
        if old { error.hint("smartmontools 7 or newer is needed") } else { error }
    })
}

/// The disks that are asked: those named, or all that smartctl finds.
async fn disks(host: &dyn Look, named: Option<&String>, wake: bool) -> Result<Vec<Disk>> {
    let devices = match named {
        Some(name) => vec![(name.clone(), None)],
        None => {
            let scan = Command::new("smartctl").args(["--json", "--scan"]);
            let found = document(&host.run(&scan).await?, &scan)?;
            let found = found["devices"].as_array().cloned().unwrap_or_default();
            let device = |device: &Value| {
                Some((device["name"].as_str()?.to_owned(), device["type"].as_str().map(str::to_owned)))
            };
            found.iter().filter_map(device).collect()
        }
    };
    let asked = devices.iter().map(|(name, kind)| async move {
        let mut command = Command::new("smartctl").args(["--json", "-a"]);
        if !wake {
            command = command.args(["-n", "standby"]);
        }
        if let Some(kind) = kind {
            command = command.args(["-d", kind]);
        }
        let command = command.arg(name);
        let told = document(&host.run(&command).await?, &command)?;
        Ok(disk(name, &told))
    });
    futures_util::future::join_all(asked).await.into_iter().collect()
}

/// Ask disks for their health.
///
/// Each has `name`, `protocol` (`ATA`, `NVMe`, `SCSI`), `model`, `serial`, `size` in bytes, `passed` (its own verdict),
/// `temperature` in °C, `hours` of work, `wear` and `spare` in percent, `reallocated`, `pending` and `uncorrectable` sectors,
/// `media_errors`; what it does not tell is `()`. One that sleeps has `asleep`, one that cannot be asked `error`.
///
/// ```rhai
/// for disk in smart::disks() { print(`${disk.name}: ${disk.model}, ${disk.temperature} °C`); }
/// ```
/// ```transcript
/// ? smartctl --json --scan
/// = {"devices": [{"name": "/dev/sda", "type": "sat"}, {"name": "/dev/nvme0", "type": "nvme"}]}
/// ? smartctl --json -a -n standby -d sat /dev/sda
/// = {"smartctl": {"exit_status": 0}, "device": {"protocol": "ATA"}, "model_name": "WDC WD40EFRX-68N32N0",
/// =  "smart_status": {"passed": true}, "temperature": {"current": 34}, "power_on_time": {"hours": 41203},
/// =  "ata_smart_attributes": {"table": [{"id": 5, "name": "Reallocated_Sector_Ct", "value": 200, "raw": {"value": 0}}]}}
/// ? smartctl --json -a -n standby -d nvme /dev/nvme0
/// = {"smartctl": {"exit_status": 0}, "device": {"protocol": "NVMe"}, "model_name": "Samsung SSD 980 1TB",
/// =  "smart_status": {"passed": true}, "temperature": {"current": 41},
/// =  "nvme_smart_health_information_log": {"percentage_used": 3, "available_spare": 100, "media_errors": 0}}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disks {
    /// One disk, such as `/dev/sda`, instead of all.
    pub disk: Option<String>,
    /// Wake disks that sleep.
    #[serde(default)]
    pub wake: bool,
}

impl Fact for Disks {
    type Answer = Vec<Disk>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Disk>> {
        disks(host, self.disk.as_ref(), self.wake).await
    }
}

fn hot() -> i64 {
    60
}

fn worn() -> u64 {
    90
}

/// Ask that disks are well: one that fails by its own verdict, has bad sectors, is worn out, too hot, or cannot be asked is
/// an error. The answer is that of `smart::disks`.
///
/// ```rhai
/// smart::healthy(#{ max_temperature: 55 });
/// ```
/// ```transcript
/// ? smartctl --json --scan
/// = {"devices": [{"name": "/dev/nvme0", "type": "nvme"}]}
/// ? smartctl --json -a -n standby -d nvme /dev/nvme0
/// = {"smartctl": {"exit_status": 0}, "smart_status": {"passed": true}, "temperature": {"current": 41},
/// =  "nvme_smart_health_information_log": {"percentage_used": 3, "media_errors": 0}}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Healthy {
    /// One disk, such as `/dev/sda`, instead of all.
    pub disk: Option<String>,
    /// The highest temperature that is fine, in °C.
    #[serde(default = "hot")]
    pub max_temperature: i64,
    /// The most wear that is fine, in percent.
    #[serde(default = "worn")]
    pub max_wear: u64,
    /// How many reallocated sectors are fine: an old disk may have some, and they should not become more.
    #[serde(default)]
    pub reallocated: u64,
    /// Wake disks that sleep.
    #[serde(default)]
    pub wake: bool,
}

impl Healthy {
    /// What is wrong with a disk.
    fn faults(&self, disk: &Disk) -> Vec<String> {
        let mut faults: Vec<String> = disk.error.iter().cloned().collect();
        if disk.passed == Some(false) {
            faults.push("it says itself that it fails".to_owned());
        }
        let counts = [
            ("reallocated sectors", disk.reallocated, self.reallocated),
            ("pending sectors", disk.pending, 0),
            ("uncorrectable sectors", disk.uncorrectable, 0),
            ("media errors", disk.media_errors, 0),
        ];
        let above = counts.iter().filter_map(|(what, count, fine)| Some((what, count.filter(|count| count > fine)?)));
        faults.extend(above.map(|(what, count)| format!("{count} {what}")));
        faults.extend(disk.wear.filter(|wear| *wear > self.max_wear).map(|wear| format!("{wear} % worn out")));
        faults
            .extend(disk.temperature.filter(|heat| *heat > self.max_temperature).map(|heat| format!("{heat} °C hot")));
        faults
    }
}

impl Fact for Healthy {
    type Answer = Vec<Disk>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Disk>> {
        let disks = disks(host, self.disk.as_ref(), self.wake).await?;
        let ill = disks.iter().map(|disk| (disk, self.faults(disk))).filter(|(_, faults)| !faults.is_empty());
        let ill: Vec<String> = ill.map(|(disk, faults)| format!("{}: {}", disk.name, faults.join(", "))).collect();
        if ill.is_empty() {
            return Ok(disks);
        }
        let error = Error::host(ill.join("; "));
        let denied = disks.iter().filter_map(|disk| disk.error.as_ref()).any(|why| why.contains("Permission denied"));
        Err(if denied { error.hint("smartctl wants root: within(#{ become: \"root\" }, ...)") } else { error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(told: Value) -> String {
        let gate: Healthy = serde_json::from_value(json!({})).unwrap();
        gate.faults(&disk("/dev/x", &told)).join(", ")
    }

    fn attribute(id: u64, name: &str, value: u64, raw: u64) -> Value {
        json!({ "ata_smart_attributes": { "table": [{ "id": id, "name": name, "value": value, "raw": { "value": raw } }] } })
    }

    #[test]
    fn what_is_wrong_with_a_disk_is_said() {
        for (told, wrong) in [
            (json!({ "smart_status": { "passed": true }, "temperature": { "current": 60 } }), ""),
            (json!({ "smart_status": { "passed": false } }), "it says itself that it fails"),
            (json!({ "temperature": { "current": 61 } }), "61 °C hot"),
            (attribute(5, "Reallocated_Sector_Ct", 200, 8), "8 reallocated sectors"),
            (attribute(197, "Current_Pending_Sector", 200, 2), "2 pending sectors"),
            // Seagate puts other numbers above the count.
            (attribute(198, "Offline_Uncorrectable", 100, 0x0001_0000_0000), ""),
            (attribute(233, "Media_Wearout_Indicator", 4, 0), "96 % worn out"),
            (attribute(177, "Wear_Leveling_Count", 98, 31), ""),
            (
                json!({ "nvme_smart_health_information_log": { "percentage_used": 101, "media_errors": 1 } }),
                "1 media errors, 101 % worn out",
            ),
            (json!({ "scsi_grown_defect_list": 3 }), "3 reallocated sectors"),
            (
                json!({ "smartctl": { "exit_status": 2, "messages": [{ "string": "Smartctl open device: /dev/x failed: Permission denied" }] } }),
                "Smartctl open device: /dev/x failed: Permission denied",
            ),
            (
                json!({ "smartctl": { "exit_status": 2, "messages": [{ "string": "Device is in STANDBY mode, exit(2)" }] } }),
                "",
            ),
        ] {
            assert_eq!(faults(told.clone()), wrong, "{told}");
        }
    }

    #[test]
    fn a_disk_that_sleeps_is_no_fault_and_is_named() {
        let old = json!({ "smartctl": { "exit_status": 2 }, "device": { "protocol": "ATA" } });
        let new = json!({ "smartctl": { "exit_status": 2 }, "power_mode": { "name": "STANDBY" } });
        for told in [old, new] {
            let found = disk("/dev/x", &told);
            assert!(found.asleep && found.error.is_none() && found.passed.is_none());
        }
    }

    #[test]
    fn without_smartctl_it_is_said_what_is_missing() {
        let output = Output { code: 127, ..Output::default() };
        let error = document(&output, &Command::new("smartctl")).unwrap_err();
        assert_eq!(error.message, "smartctl is not installed");
        let old = Output { code: 1, stdout: b"=======> UNRECOGNIZED OPTION: json".to_vec(), ..Output::default() };
        let error = document(&old, &Command::new("smartctl")).unwrap_err();
        assert_eq!(error.hints, ["smartmontools 7 or newer is needed"]);
    }
}
