//! Questions about packages.

use super::minutes;
use super::names;
use super::transaction::{self, Transaction};
use crate::contract::{Fact, Look, Result};
use crate::shared::Many;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ask which packages could be upgraded, according to the lists that the host has.
///
/// The answer is a list of maps with `name`, `from` and `to`; `from` is `()` for a package that an upgrade
/// would bring along. Held packages are not among them.
///
/// ```rhai
/// apt::upgradable();
/// ```
/// ```transcript
/// ? LC_ALL=C.UTF-8 apt-get -qsy dist-upgrade
/// = Inst openssl [3.5.1-1] (3.5.4-1 Debian:13.2/stable [amd64])
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgradable {}

/// A package that could be upgraded.
#[derive(Debug, Serialize)]
pub struct Upgrade {
    name: String,
    from: Option<String>,
    to: String,
}

impl Fact for Upgradable {
    type Answer = Vec<Upgrade>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Upgrade>> {
        let transaction = Transaction { args: vec!["dist-upgrade".to_owned()], lock: minutes() };
        let (from, mut to) = transaction.simulate(host).await?;
        let upgrade = |(name, from): (String, Option<String>)| Some(Upgrade { to: to.remove(&name)??, name, from });
        Ok(from.into_iter().filter_map(upgrade).collect())
    }
}

/// Ask for the version of an installed package; `()` if it is not installed.
///
/// ```rhai
/// apt::version("openssl");
/// ```
/// ```transcript
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- openssl
/// = openssl amd64 installed 3.5.4-1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// The package.
    pub name: String,
}

impl Fact for Version {
    type Answer = Option<String>;

    async fn ask(&self, host: &dyn Look) -> Result<Option<String>> {
        names::parse(&Many::One(self.name.clone()))?;
        let name = || std::iter::once(self.name.as_str());
        let found = transaction::versions(name(), &host.run(&transaction::query(name())).await?)?;
        Ok(found.into_values().next().flatten().filter(|version| version != transaction::CONFIGURATION))
    }
}
