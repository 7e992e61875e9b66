//! `apt::repaired`: what an interrupted dpkg has left half-done.

use crate::contract::{Command, Error, Look, Operation, Reboot, Result, Step};
use crate::shared::Span;
use crate::shared::packages::apt::complaints;
use crate::shared::packages::apt::transaction::{self, Simulated, Transaction};
use crate::shared::packages::{Packages, minutes};
use futures_util::try_join;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Make sure that dpkg has finished what it began, and that every package has what it needs.
///
/// What a lost connection, a full disk or a failing script has left unpacked is configured; packages that are missing
/// what they need get it. On a host that is sound, it does nothing.
///
/// ```rhai
/// apt::repaired();
/// ```
/// ```transcript
/// ? sh -c '(dpkg-query of what is unfinished; /var/lib/dpkg/updates)' sh
/// = openssl amd64 half-configured 3.5.4-1
/// ? sh -c '(until nobody has /var/lib/dpkg/lock)' sh 300
/// ? LC_ALL=C.UTF-8 apt-get -qsyV --fix-broken install
/// = Conf openssl (3.5.4-1 Debian:13.2/stable [amd64])
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l dpkg --force-confdef --force-confold --configure -a
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 --fix-broken install
/// ? sh -c '(dpkg-query of what is unfinished; /var/lib/dpkg/updates)' sh
/// ? LC_ALL=C.UTF-8 apt-get -qsyV --fix-broken install
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- openssl
/// = openssl amd64 installed 3.5.4-1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repaired {
    /// How long to wait for another apt or dpkg.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    /// What it is after.
    #[serde(skip)]
    want: OnceLock<Packages>,
}

/// What is half-done.
#[derive(Debug, Serialize, Deserialize)]
pub struct RepairState {
    /// Whether dpkg was ended while it worked.
    interrupted: bool,
    #[serde(flatten)]
    packages: Packages,
}

impl Repaired {
    fn mend(&self) -> Transaction {
        let args = ["--fix-broken", "install"].map(str::to_owned);
        Transaction { args: args.into(), lock: self.lock_timeout }
    }
}

impl Operation for Repaired {
    type State = RepairState;
    const REVERSIBLE: bool = false;
    const REBOOT: Reboot = Reboot::Suspected;

    async fn read(&self, host: &dyn Look) -> Result<RepairState> {
        let (mut left, simulation) = (host.run(&transaction::UNFINISHED).await?, self.mend().simulation());
        if !left.stdout.is_empty() {
            // It may be at work right now.
            transaction::idle(host, self.lock_timeout).await?;
            left = host.run(&transaction::UNFINISHED).await?;
        }
        let interrupted = left.lines().iter().any(|line| line == "interrupted");
        let names: Vec<&str> = self.want.get().into_iter().flat_map(Packages::keys).map(String::as_str).collect();
        let versions = async {
            if names.is_empty() {
                return Ok(Packages::new());
            }
            transaction::versions(names.iter().copied(), &host.run(&transaction::query(names.iter().copied())).await?)
        };
        let simulated = async {
            // apt simulates nothing as long as dpkg has its journal.
            if interrupted {
                return Ok(Simulated::default());
            }
            let output = host.run(&simulation).await?;
            if output.success() {
                Ok(transaction::simulated(&output.text()))
            } else {
                Err(complaints::explain(crate::contract::refusal(&simulation, &output)))
            }
        };
        let (mut packages, simulated) = try_join!(versions, simulated)?;
        if self.want.get().is_none() {
            let Simulated { from, mut to, .. } = simulated;
            packages = from;
            for (name, version) in transaction::unfinished(&left) {
                let finished = version.split(' ').next().map(str::to_owned);
                packages.insert(name.clone(), Some(version));
                to.entry(name).or_insert(finished);
            }
            let _ = self.want.set(to);
        }
        Ok(RepairState { interrupted, packages })
    }
    fn want(&self, now: &RepairState) -> Result<RepairState> {
        let packages = self.want.get().unwrap_or(&now.packages).clone();
        Ok(RepairState { interrupted: false, packages })
    }
    fn steps(&self, _now: &RepairState, _want: &RepairState) -> Result<Vec<Step>> {
        let configure = Command::new("dpkg").args(["--force-confdef", "--force-confold", "--configure", "-a"]);
        let configure = Command { env: transaction::apt_get().env, ..configure };
        Ok(vec![configure.long().into(), self.mend().command().into()])
    }
    fn explain(&self, error: Error) -> Error {
        complaints::explain(error)
    }
}
