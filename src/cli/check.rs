//! `hlrun check`: playbooks read, not run.

use super::args::CheckArgs;
use super::config::Project;
use super::{run, screen};
use crate::run::Options;
use crate::script::{Limits, inspect};

/// Check playbooks. Returns the exit code.
pub fn check(args: &CheckArgs, project: Project) -> u8 {
    let mut errors = Vec::new();
    for path in &args.playbooks {
        let beside = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
        let project = project.clone().or_above(beside);
        let (program, wrong) = inspect(path, project.dir.as_deref(), &Limits::default());
        errors.extend(wrong);
        let Some(program) = program else { continue };
        errors.extend(super::args::taken(&program.survey.params));
        // Without an inventory, patterns and variables cannot be judged; everything else can.
        if args.inventory.inventory.is_empty() {
            continue;
        }
        match run::inventory(&args.inventory, Some(beside)) {
            Ok(inventory) => errors.extend(run::verify(
                &inventory,
                Options { channels: project.channels, project: project.dir, ..Options::default() },
                &program,
            )),
            Err(wrong) => errors.extend(wrong),
        }
    }
    if !errors.is_empty() {
        return screen::fail(&errors);
    }
    let count = args.playbooks.len();
    screen::out(&if count == 1 { "1 playbook is fine".to_owned() } else { format!("{count} playbooks are fine") });
    0
}
