//! Where a value stands in Ansible's order of precedence.

use std::fmt;
use std::sync::Arc;

/// A step of Ansible's order of precedence, from weak to strong; the numbers are those of its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A group in an inventory file.
    Group = 3,
    /// `group_vars/all` beside the inventory.
    AllBesideInventory = 4,
    /// `group_vars/all` beside the playbook.
    AllBesidePlaybook = 5,
    /// Other `group_vars` beside the inventory.
    GroupBesideInventory = 6,
    /// Other `group_vars` beside the playbook.
    GroupBesidePlaybook = 7,
    /// A host in an inventory file.
    Host = 8,
    /// `host_vars` beside the inventory.
    HostBesideInventory = 9,
    /// `host_vars` beside the playbook.
    HostBesidePlaybook = 10,
    /// `--extra-vars`.
    Extra = 22,
}

/// A level, and the group if it is one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The level.
    pub level: Level,
    /// The group, unless it is a host's.
    pub group: Option<Arc<str>>,
}

impl Layer {
    pub(super) fn new(level: Level, group: Option<&str>) -> Layer {
        Layer { level, group: group.map(Arc::from) }
    }
    /// Whether an inventory file itself says it.
    pub fn in_inventory(&self) -> bool {
        matches!(self.level, Level::Group | Level::Host)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = self.group.as_deref().unwrap_or_default();
        match self.level {
            Level::Group => write!(f, "group `{group}` in the inventory"),
            Level::AllBesideInventory | Level::GroupBesideInventory => {
                write!(f, "group_vars of `{group}` beside the inventory")
            }
            Level::AllBesidePlaybook | Level::GroupBesidePlaybook => {
                write!(f, "group_vars of `{group}` beside the playbook")
            }
            Level::Host => f.write_str("host in the inventory"),
            Level::HostBesideInventory => f.write_str("host_vars beside the inventory"),
            Level::HostBesidePlaybook => f.write_str("host_vars beside the playbook"),
            Level::Extra => f.write_str("--extra-vars"),
        }
    }
}
