//! What hlrun can do, one file per module. Pure: nothing here can open a socket, a file or a process;
//! everything a module does to a host it says as data, and the engine in `src/` carries it out.

pub mod apt;
pub mod archive;
pub mod authorized_key;
pub mod certificate;
pub mod compose;
pub mod contract;
pub mod cron;
pub mod disk;
pub mod dnf;
pub mod dns;
pub mod docker;
pub mod facts;
pub mod file;
pub mod git;
pub mod group;
pub mod http;
pub mod modprobe;
pub mod mount;
pub mod notify;
pub mod packages;
pub mod password;
pub mod pip;
pub mod shared;
pub mod shell;
pub mod smart;
pub mod sysctl;
pub mod system;
pub mod systemd;
pub mod user;
pub mod wait;

/// Lists the modules: each name is a file beside this one with a `register` function, and its doc comments are the
/// module's documentation. They are declared apart from it, for rustfmt sees nothing that a macro declares.
macro_rules! modules {
    ($($name:ident),* $(,)?) => {
        /// Every module, in alphabetical order.
        pub fn modules() -> &'static [contract::Module] {
            static MODULES: std::sync::LazyLock<Vec<contract::Module>> = std::sync::LazyLock::new(|| {
                vec![$({
                    let mut module = contract::Module::new(stringify!($name), include_str!(concat!(stringify!($name), ".rs")));
                    $name::register(&mut module);
                    module
                }),*]
            });
            &MODULES
        }
    };
}

modules![
    apt,
    archive,
    authorized_key,
    certificate,
    compose,
    cron,
    disk,
    dnf,
    dns,
    docker,
    facts,
    file,
    git,
    group,
    http,
    modprobe,
    mount,
    notify,
    packages,
    password,
    pip,
    shell,
    smart,
    sysctl,
    system,
    systemd,
    user,
    wait,
];

/// The entry `module::name`, if there is one.
pub fn entry(module: &str, name: &str) -> Option<&'static contract::Entry> {
    modules().iter().find(|m| m.name == module)?.entries.iter().find(|e| e.name == name)
}
