//! What can be asked of packages.

use super::environment::{Environment, Memory, PipState, explain, name_of};
use crate::bail;
use crate::contract::{Error, Keepsake, Look, Operation, Result, Step};
use crate::shared::{HostPath, Many};
use schemars::JsonSchema;
use serde::Deserialize;

fn venv() -> String {
    "python3 -m venv".to_owned()
}

/// Make sure Python packages are installed.
///
/// A package that is installed stays at its version, unless that does not fit what is asked for. The diff has every
/// package that changes, dependencies too: pip itself is asked for its plan. A virtual environment is made where it is
/// missing.
///
/// ```rhai
/// pip::installed("flask>=3", #{ virtualenv: "/srv/app/venv" });
/// ```
/// ```transcript
/// ? sh -c '(pip list; pip install --dry-run, for a new environment in a temporary one)' sh '' /srv/app/venv 'python3 -m venv' plan -- 'flask>=3'
/// = has pip==25.1
/// = has flask==2.3.3
/// = plan blinker==1.9.0
/// = plan Flask==3.1.2
/// ? /srv/app/venv/bin/python -m pip show -f -- flask
/// = Name: flask
/// ! LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore /srv/app/venv/bin/python -m pip install -- 'flask>=3'
/// ? sh -c '(pip list; pip install --dry-run, for a new environment in a temporary one)' sh '' /srv/app/venv 'python3 -m venv' plan -- 'flask>=3'
/// = has blinker==1.9.0
/// = has Flask==3.1.2
/// = has pip==25.1
/// ? /srv/app/venv/bin/python -m pip show -f -- blinker flask
/// = Name: blinker
/// = Name: flask
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// The packages: one or a list, each as pip takes it: `flask`, `flask>=3`, `flask[async]`, a URL, a file.
    pub names: Many<String>,
    /// The directory of a virtual environment; it is made if it is missing.
    pub virtualenv: Option<HostPath>,
    /// The command that makes one.
    #[serde(default = "venv")]
    pub virtualenv_command: String,
    /// Let the virtual environment see the packages of the system.
    #[serde(default)]
    pub virtualenv_site_packages: bool,
    /// The pip to use, such as `pip3.12`, instead of that of the virtual environment or of `python3`.
    pub executable: Option<String>,
    /// More arguments for pip, as a list or one line: `["--index-url", "https://pypi.lan/simple"]`.
    #[serde(default)]
    pub extra_args: Many<String>,
    /// Change packages that belong to the system's own package manager, at your risk.
    #[serde(default)]
    pub break_system_packages: bool,
    /// The umask while pip writes, such as `"0022"`.
    pub umask: Option<String>,
    #[serde(skip)]
    memory: Memory,
}

/// Make sure Python packages are at their newest versions.
///
/// ```rhai
/// pip::latest("flask", #{ virtualenv: "/srv/app/venv" });
/// ```
/// ```transcript
/// ? sh -c '(pip list; pip install --dry-run, for a new environment in a temporary one)' sh '' /srv/app/venv 'python3 -m venv' plan --upgrade -- flask
/// = has pip==25.1
/// = has flask==2.3.3
/// = plan Flask==3.1.2
/// ? /srv/app/venv/bin/python -m pip show -f -- flask
/// = Name: flask
/// ! LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore /srv/app/venv/bin/python -m pip install --upgrade -- flask
/// ? sh -c '(pip list; pip install --dry-run, for a new environment in a temporary one)' sh '' /srv/app/venv 'python3 -m venv' plan --upgrade -- flask
/// = has Flask==3.1.2
/// = has pip==25.1
/// ? /srv/app/venv/bin/python -m pip show -f -- flask
/// = Name: flask
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latest {
    /// The packages: one or a list, each as pip takes it: `flask`, `flask>=3`, `flask[async]`, a URL, a file.
    pub names: Many<String>,
    /// The directory of a virtual environment; it is made if it is missing.
    pub virtualenv: Option<HostPath>,
    /// The command that makes one.
    #[serde(default = "venv")]
    pub virtualenv_command: String,
    /// Let the virtual environment see the packages of the system.
    #[serde(default)]
    pub virtualenv_site_packages: bool,
    /// The pip to use, such as `pip3.12`, instead of that of the virtual environment or of `python3`.
    pub executable: Option<String>,
    /// More arguments for pip, as a list or one line: `["--index-url", "https://pypi.lan/simple"]`.
    #[serde(default)]
    pub extra_args: Many<String>,
    /// Change packages that belong to the system's own package manager, at your risk.
    #[serde(default)]
    pub break_system_packages: bool,
    /// The umask while pip writes, such as `"0022"`.
    pub umask: Option<String>,
    #[serde(skip)]
    memory: Memory,
}

/// Make sure everything that a requirements file lists is installed.
///
/// The file lies on the host. Packages that it does not list stay.
///
/// ```rhai
/// pip::requirements("/srv/app/requirements.txt", #{ virtualenv: "/srv/app/venv" });
/// ```
/// ```transcript
/// ? sh -c '(pip list; pip install --dry-run, for a new environment in a temporary one)' sh '' /srv/app/venv 'python3 -m venv' plan -r /srv/app/requirements.txt
/// = has pip==25.1
/// = plan flask==3.1.2
/// ! LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore /srv/app/venv/bin/python -m pip install -r /srv/app/requirements.txt
/// ? sh -c '(pip list; pip install --dry-run, for a new environment in a temporary one)' sh '' /srv/app/venv 'python3 -m venv' plan -r /srv/app/requirements.txt
/// = has flask==3.1.2
/// = has pip==25.1
/// ? /srv/app/venv/bin/python -m pip show -f -- flask
/// = Name: flask
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// The file on the host.
    pub requirements: HostPath,
    /// The directory of a virtual environment; it is made if it is missing.
    pub virtualenv: Option<HostPath>,
    /// The command that makes one.
    #[serde(default = "venv")]
    pub virtualenv_command: String,
    /// Let the virtual environment see the packages of the system.
    #[serde(default)]
    pub virtualenv_site_packages: bool,
    /// The pip to use, such as `pip3.12`, instead of that of the virtual environment or of `python3`.
    pub executable: Option<String>,
    /// More arguments for pip, as a list or one line: `["--index-url", "https://pypi.lan/simple"]`.
    #[serde(default)]
    pub extra_args: Many<String>,
    /// Change packages that belong to the system's own package manager, at your risk.
    #[serde(default)]
    pub break_system_packages: bool,
    /// The umask while pip writes, such as `"0022"`.
    pub umask: Option<String>,
    #[serde(skip)]
    memory: Memory,
}

/// Make sure Python packages are not installed. What they needed stays.
///
/// ```rhai
/// pip::absent("flask", #{ virtualenv: "/srv/app/venv" });
/// ```
/// ```transcript
/// ? sh -c '(pip list; pip install --dry-run, for a new environment in a temporary one)' sh '' /srv/app/venv 'python3 -m venv' list
/// = has flask==3.1.2
/// = has pip==25.1
/// ? /srv/app/venv/bin/python -m pip show -f -- flask
/// = Name: flask
/// ! LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore /srv/app/venv/bin/python -m pip uninstall -y -- flask
/// ? sh -c '(pip list; pip install --dry-run, for a new environment in a temporary one)' sh '' /srv/app/venv 'python3 -m venv' list
/// = has pip==25.1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The packages: one or a list, by name.
    pub names: Many<String>,
    /// The directory of a virtual environment; it is made if it is missing.
    pub virtualenv: Option<HostPath>,
    /// The command that makes one.
    #[serde(default = "venv")]
    pub virtualenv_command: String,
    /// Let the virtual environment see the packages of the system.
    #[serde(default)]
    pub virtualenv_site_packages: bool,
    /// The pip to use, such as `pip3.12`, instead of that of the virtual environment or of `python3`.
    pub executable: Option<String>,
    /// More arguments for pip, as a list or one line: `["--index-url", "https://pypi.lan/simple"]`.
    #[serde(default)]
    pub extra_args: Many<String>,
    /// Change packages that belong to the system's own package manager, at your risk.
    #[serde(default)]
    pub break_system_packages: bool,
    /// The umask while pip writes, such as `"0022"`.
    pub umask: Option<String>,
    #[serde(skip)]
    memory: Memory,
}

/// What all four share: an environment, and how their parameters describe it.
macro_rules! operation {
    ($name:ident, $args:expr, $asked:expr, $present:literal $(, $file:ident)?) => {
        impl $name {
            fn environment(&self) -> Environment<'_> {
                Environment {
                    virtualenv: self.virtualenv.as_deref(),
                    command: &self.virtualenv_command,
                    site_packages: self.virtualenv_site_packages,
                    executable: self.executable.as_deref(),
                    extra: &self.extra_args,
                    break_system: self.break_system_packages,
                    umask: self.umask.as_deref(),
                    memory: &self.memory,
                    removes: !$present,
                }
            }
        }

        impl Operation for $name {
            type State = PipState;

            async fn prepare(&mut self, _host: &dyn Look) -> Result<()> {
                let asked: Vec<String> = $asked(self);
                if let Some(odd) = asked.iter().find(|name| name.trim().is_empty() || name.starts_with('-')) {
                    bail!(playbook: "`{odd}` is no package"; hint: "arguments for pip go into `extra_args`");
                }
                if !$present && let Some(odd) = asked.iter().find(|name| name_of(name).as_deref() != Some(&super::environment::plain(name))) {
                    bail!(playbook: "`{odd}` is no name of a package");
                }
                self.environment().valid()
            }
            async fn read(&self, host: &dyn Look) -> Result<PipState> {
                let args: Vec<String> = $args(self);
                let asked: Vec<String> = $asked(self);
                self.environment().read(host, &asked, $present.then_some(&args[..])).await
            }
            fn want(&self, now: &PipState) -> Result<PipState> {
                let asked: Vec<String> = $asked(self);
                self.environment().want(now, (!$present).then_some(&asked[..]))
            }
            fn steps(&self, now: &PipState, want: &PipState) -> Result<Vec<Step>> {
                let args: Vec<String> = $args(self);
                self.environment().steps(now, want, $present.then_some(&args[..]))
            }
            fn keeps(&self, now: &PipState, _want: &PipState) -> Vec<Keepsake> {
                self.environment().keeps(now)
            }
            async fn recall(&mut self, _host: &dyn Look, before: PipState, after: &PipState) -> Result<PipState> {
                self.memory.recall(&before, after);
                Ok(before)
            }
            async fn returnable(&self, host: &dyn Look, now: &PipState, want: &PipState) -> Result<()> {
                self.environment().returnable(host, now, want).await
            }
            fn depends(&self) -> Vec<String> {
                vec![$(self.$file.to_string())?]
            }
            fn sensitive(&self) -> bool {
                self.environment().secret()
            }
            fn explain(&self, error: Error) -> Error {
                explain(error)
            }
        }
    };
}

fn listed(names: &Many<String>) -> Vec<String> {
    names.as_slice().to_vec()
}

fn after(first: &[&str], names: &Many<String>) -> Vec<String> {
    first.iter().map(|word| (*word).to_owned()).chain(listed(names)).collect()
}

operation!(Installed, |op: &Installed| after(&["--"], &op.names), |op: &Installed| listed(&op.names), true);
operation!(Latest, |op: &Latest| after(&["--upgrade", "--"], &op.names), |op: &Latest| listed(&op.names), true);
operation!(
    Requirements,
    |op: &Requirements| vec!["-r".to_owned(), op.requirements.to_string()],
    |_: &Requirements| Vec::new(),
    true,
    requirements
);
operation!(Absent, |_: &Absent| Vec::new(), |op: &Absent| listed(&op.names), false);
