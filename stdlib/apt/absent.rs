//! `apt::absent`: packages that should not be there.

use crate::shared::packages::{Goal, Order, Tool, Work, manages, minutes};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure packages are not installed.
///
/// ```rhai
/// apt::absent("apache2", #{ purge: true });
/// ```
/// ```transcript
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- apache2
/// = apache2 amd64 installed 2.4.65-2
/// ? sh -c '(which of these are marked as automatic)' sh apache2
/// ? LC_ALL=C.UTF-8 apt-get -qsyV purge -- apache2
/// = Purg apache2 [2.4.65-2]
/// ! APT_LISTCHANGES_FRONTEND=none DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l apt-get -qy -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 purge -- apache2
/// ? dpkg-query -W -f '${Package} ${Architecture} ${db:Status-Status} ${Version}\n' -- apache2
/// - dpkg-query: no packages found matching apache2
/// * 1
/// ? sh -c '(which of these are marked as automatic)' sh apache2
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The packages: one or a list.
    pub name: Many<String>,
    /// Delete their configuration files, too.
    #[serde(default)]
    pub purge: bool,
    /// Remove packages that nothing needs any longer, too.
    #[serde(default)]
    pub autoremove: bool,
    /// How long to wait for another apt or dpkg.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    #[serde(skip)]
    work: Work,
}

impl Absent {
    fn order(&self) -> Order {
        Order {
            purge: self.purge,
            autoremove: self.autoremove,
            ..Order::new(Some(Tool::Apt), Goal::Absent, &self.name, self.lock_timeout)
        }
    }
}

manages!(Absent, Unrelated);
