//! Questions about packages.

use crate::contract::{Fact, Look, Result};
use crate::shared::Many;
use crate::shared::packages::{self, Goal, Manager, Order, Tool, Upgrade, dnf, minutes};
use schemars::JsonSchema;
use serde::Deserialize;

/// Ask which packages could be upgraded (`dnf check-update`).
///
/// The answer is a list of maps with `name`, `from`, `to` and `security`, whether the repositories say that it mends a
/// security hole. Packages whose version is locked are not among them: `dnf::holds` tells them.
///
/// ```rhai
/// dnf::upgradable();
/// ```
/// ```transcript
/// ? LC_ALL=C.UTF-8 dnf -q check-update
/// =
/// = openssl.x86_64                    1:3.5.1-4.el10                     baseos
/// * 100
/// ? LC_ALL=C.UTF-8 dnf -q check-update --security
/// = openssl.x86_64                    1:3.5.1-4.el10                     baseos
/// * 100
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' openssl
/// = openssl x86_64 1:3.5.1-3.el10
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgradable {}

impl Fact for Upgradable {
    type Answer = Vec<Upgrade>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<Upgrade>> {
        packages::upgradable(host, Tool::Dnf).await
    }
}

/// Ask for the version of an installed package; `()` if it is not installed.
///
/// It has the epoch in front, unless that is 0, and the release behind. Of a package that is there several times, such as
/// a kernel, all versions are told, with commas between.
///
/// ```rhai
/// dnf::version("openssl");
/// ```
/// ```transcript
/// ? sh -c '(which of dnf 4 and 5)' sh
/// = 4
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' openssl
/// = openssl x86_64 1:3.5.1-4.el10
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
        let names = Many::One(self.name.clone());
        let mut manager = dnf::Dnf::new(Order::new(Some(Tool::Dnf), Goal::Installed, &names, minutes()));
        manager.prepare(host).await?;
        Ok(manager.versions(host, &[&self.name]).await?.into_values().next().flatten())
    }
}

/// Ask which packages are held at the version they have: a list of names.
///
/// ```rhai
/// dnf::holds();
/// ```
/// ```transcript
/// ? sh -c '(the file of locked versions)' sh
/// = docker-ce-3:28.3.3-1.*
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holds {}

impl Fact for Holds {
    type Answer = Vec<String>;

    async fn ask(&self, host: &dyn Look) -> Result<Vec<String>> {
        dnf::holds(host).await
    }
}
