//! hlrun inside another program: run a playbook that is a text, and follow what happens.
//!
//! `cargo run --example embed`

use hlrun::inventory::Inventory;
use hlrun::report::Event;
use hlrun::run::{Options, Runtime};

const PLAYBOOK: &str = r#"
    let kernels = play("Ask", "localhost", |host| shell::query("uname -r").stdout);
    play("Predict", "localhost", |host| {
        file::file("/tmp/hlrun-embedded", #{ content: "written by an embedded playbook\n" });
    });
    kernels
"#;

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> std::process::ExitCode {
    // A dry run: nothing on this machine changes. Without `state` no journal is kept.
    let options = Options { check: true, state: None, ..Options::default() };
    let mut runtime = Runtime::new(Inventory::localhost(), options);
    let events = runtime.events();
    // A run blocks its thread; the events come meanwhile.
    let run = std::thread::spawn(move || runtime.run_text(PLAYBOOK, "embedded"));
    for envelope in events {
        if let Event::TaskEnd { record } = envelope.event {
            println!("{} {} {} on {}", record.status.word(), record.operation, record.subject, record.host);
        }
    }
    match run.join() {
        Ok(Ok(summary)) => {
            println!("kernels: {}, exit code {}", summary.value, summary.exit);
            std::process::ExitCode::from(u8::try_from(summary.exit).unwrap_or(70))
        }
        Ok(Err(errors)) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            std::process::ExitCode::from(1)
        }
        Err(_) => std::process::ExitCode::from(70),
    }
}
