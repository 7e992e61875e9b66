//! Questions about packages.

use crate::contract::{Command, Fact, Look, Result};
use crate::shared::packages::apt::{names, transaction};
use crate::shared::packages::{self, Tool, Upgrade};
use schemars::JsonSchema;
use serde::Deserialize;

/// Ask which packages could be upgraded, according to the lists that the host has.
///
/// The answer is a list of maps with `name`, `from`, `to` and `security`, whether it comes from an archive of
/// security updates; `from` is `()` for a package that an upgrade would bring along. Held packages are not among
/// them: `apt::holds` tells them.
///
/// ```rhai
/// apt::upgradable();
/// ```
/// ```transcript
/// ? LC_ALL=C.UTF-8 apt-get -qsyV dist-upgrade
/// = Inst openssl [3.5.1-1] (3.5.4-1 Debian:13.2/stable [amd64])
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgradable {}

impl Fact for Upgradable {
    type Answer = Vec<Upgrade>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Upgrade>> {
        packages::upgradable(host, Tool::Apt).await
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
        names::plain("apt::version", std::slice::from_ref(&self.name))?;
        let name = || std::iter::once(self.name.as_str());
        let found = transaction::versions(name(), &host.run(&transaction::query(name())).await?)?;
        Ok(found.into_values().next().flatten().filter(|version| version != transaction::CONFIGURATION))
    }
}

/// Ask which packages are held at the version they have: a list of names.
///
/// ```rhai
/// apt::holds();
/// ```
/// ```transcript
/// ? apt-mark showhold
/// = docker-ce
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holds {}

impl Fact for Holds {
    type Answer = Vec<String>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<String>> {
        Ok(host.expect(&Command::new("apt-mark").arg("showhold")).await?.lines())
    }
}
