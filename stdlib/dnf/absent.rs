//! `dnf::absent`: packages that should not be there.

use crate::shared::packages::{Goal, Order, Tool, Work, manages, minutes};
use crate::shared::{Many, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Make sure packages are not installed.
///
/// Packages that need them go, too, as the diff says. What only they needed stays, unless `autoremove` is given.
///
/// ```rhai
/// dnf::absent("httpd");
/// ```
/// ```transcript
/// ? sh -c '(which of dnf 4 and 5)' sh
/// = 4
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' httpd
/// = httpd x86_64 2.4.63-1.el10
/// ? LC_ALL=C.UTF-8 dnf --assumeno --setopt=clean_requirements_on_remove=0 remove httpd
/// = Dependencies resolved.
/// = ================================================================================
/// =  Package       Architecture      Version               Repository          Size
/// = ================================================================================
/// = Removing:
/// =  httpd         x86_64            2.4.63-1.el10         @appstream          60 k
/// =
/// = Transaction Summary
/// = ================================================================================
/// = Remove  1 Package
/// =
/// = Operation aborted.
/// * 1
/// ! LC_ALL=C.UTF-8 sh -c '(dnf, again when its lock is free)' sh 300 dnf -y --setopt=exit_on_lock=1 --setopt=clean_requirements_on_remove=0 remove httpd
/// ? rpm -qa --qf '%{NAME} %{ARCH} %{EVR}\n' httpd
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The packages: one or a list of names.
    pub name: Many<String>,
    /// Remove what only they needed, too.
    #[serde(default)]
    pub autoremove: bool,
    /// How long to wait for another dnf.
    #[serde(default = "minutes")]
    pub lock_timeout: Span,
    #[serde(skip)]
    work: Work,
}

impl Absent {
    fn order(&self) -> Order {
        Order {
            autoremove: self.autoremove,
            ..Order::new(Some(Tool::Dnf), Goal::Absent, &self.name, self.lock_timeout)
        }
    }
}

manages!(Absent, Unrelated);
