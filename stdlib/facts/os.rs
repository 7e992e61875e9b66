//! The operating system and the kernel.

use crate::contract::{Fact, Look, Result};
use crate::shared::facts::{kernel, os, service_manager, virtualization};
use schemars::JsonSchema;
use serde::Deserialize;

fact! {
    /// Ask for the family of the operating system, in Ansible's words.
    ///
    /// `Debian` (with Ubuntu, Raspberry Pi OS, Mint), `RedHat` (with Fedora, Rocky, Alma), `Archlinux`, `Alpine`,
    /// `Suse`; or the distribution itself.
    ///
    /// ```rhai
    /// if facts::os_family() == "Debian" { print("apt is here"); }
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; echo "DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)"' sh
    /// = PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
    /// = NAME="Debian GNU/Linux"
    /// = VERSION_ID="12"
    /// = VERSION_CODENAME=bookworm
    /// = ID=debian
    /// = DEBIAN_VERSION=12.11
    /// ```
    OsFamily -> String: |host| os(host).await?.family
}

fact! {
    /// Ask for the distribution: `Debian`, `Ubuntu`, `Fedora`, `Rocky`, `Archlinux`, `Alpine`...
    ///
    /// ```rhai
    /// facts::distribution();
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; echo "DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)"' sh
    /// = PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
    /// = NAME="Debian GNU/Linux"
    /// = VERSION_ID="12"
    /// = VERSION_CODENAME=bookworm
    /// = ID=debian
    /// = DEBIAN_VERSION=12.11
    /// ```
    Distribution -> String: |host| os(host).await?.distribution
}

fact! {
    /// Ask for the full version of the distribution, such as `12.11` or `24.04`.
    ///
    /// Empty on a rolling release.
    ///
    /// ```rhai
    /// facts::distribution_version();
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; echo "DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)"' sh
    /// = PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
    /// = NAME="Debian GNU/Linux"
    /// = VERSION_ID="12"
    /// = VERSION_CODENAME=bookworm
    /// = ID=debian
    /// = DEBIAN_VERSION=12.11
    /// ```
    DistributionVersion -> String: |host| os(host).await?.version
}

fact! {
    /// Ask for the version of the distribution up to the first dot, such as `12`.
    ///
    /// ```rhai
    /// facts::distribution_major_version();
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; echo "DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)"' sh
    /// = PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
    /// = NAME="Debian GNU/Linux"
    /// = VERSION_ID="12"
    /// = VERSION_CODENAME=bookworm
    /// = ID=debian
    /// = DEBIAN_VERSION=12.11
    /// ```
    DistributionMajorVersion -> String: |host| os(host).await?.major_version
}

fact! {
    /// Ask for the codename of the release, such as `bookworm`.
    ///
    /// Empty where a distribution has none.
    ///
    /// ```rhai
    /// facts::release();
    /// ```
    /// ```transcript
    /// ? sh -c 'cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release || exit; echo "DEBIAN_VERSION=$(cat /etc/debian_version 2>/dev/null)"' sh
    /// = PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
    /// = NAME="Debian GNU/Linux"
    /// = VERSION_ID="12"
    /// = VERSION_CODENAME=bookworm
    /// = ID=debian
    /// = DEBIAN_VERSION=12.11
    /// ```
    Release -> String: |host| os(host).await?.release
}

fact! {
    /// Ask for the architecture: `x86_64`, `aarch64`, `armv7l`...
    ///
    /// ```rhai
    /// facts::architecture();
    /// ```
    /// ```transcript
    /// ? uname -snrm
    /// = Linux nas 6.1.0-38-amd64 x86_64
    /// ```
    Architecture -> String: |host| kernel(host).await?.architecture
}

fact! {
    /// Ask for the release of the kernel that is running.
    ///
    /// ```rhai
    /// facts::kernel();
    /// ```
    /// ```transcript
    /// ? uname -snrm
    /// = Linux nas 6.1.0-38-amd64 x86_64
    /// ```
    Kernel -> String: |host| kernel(host).await?.release
}

fact! {
    /// Ask what the host runs in: `none`, `kvm`, `vmware`, `oracle`, `microsoft`, `xen`, `docker`, `podman`, `lxc`...
    ///
    /// ```rhai
    /// if facts::virtualization() == "lxc" { print("a container"); }
    /// ```
    /// ```transcript
    /// ? sh -c '(systemd-detect-virt; else /.dockerenv, /run/.containerenv, /proc/1/environ, /sys/class/dmi/id)' sh
    /// = kvm
    /// ```
    Virtualization -> String: |host| virtualization(host).await?
}

fact! {
    /// Ask what runs services: `systemd`, `openrc`, or the name of process 1.
    ///
    /// ```rhai
    /// facts::service_manager();
    /// ```
    /// ```transcript
    /// ? sh -c '[ -d /run/systemd/system ] && echo systemd && exit; [ -d /run/openrc ] && echo openrc && exit; cat /proc/1/comm' sh
    /// = systemd
    /// ```
    ServiceManager -> String: |host| service_manager(host).await?
}
