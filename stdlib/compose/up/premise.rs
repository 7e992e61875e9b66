//! What must hold before a stack can come up, and what compose would only find when it is at work.

use super::{Up, UpState};
use crate::bail;
use crate::compose::engine::PROJECT;
use crate::contract::docker::{Kind, Verb};
use crate::contract::{Command, Look, Result};

/// The first of these paths where nothing is.
const MISSING: &str = r#"for p; do [ -e "$p" ] || { echo "$p"; exit; }; done"#;

impl Up {
    pub(super) async fn possible(&self, host: &dyn Look, now: &UpState) -> Result<()> {
        let project = self.project.get()?;
        let mut there = Vec::new();
        for (name, was) in &now.services {
            let service = &project.services[name];
            for (kind, outside) in &service.outside {
                if there.contains(&(kind, outside)) {
                    continue;
                }
                let word = if *kind == Kind::Volume { "volume" } else { "network" };
                if host.docker_json(&Verb::inspect(*kind, outside).into()).await?.is_none() {
                    bail!("there is no {word} {outside}, which {name} needs and the stack calls external";
                        hint: "docker::{word}(\"{outside}\") before it makes one");
                }
                there.push((kind, outside));
            }
            if let Some(own) = service.container.as_ref().filter(|_| was.state == "absent")
                && let Some(other) = host.docker_json(&Verb::inspect(Kind::Container, own).into()).await?
            {
                let whose = match other["Config"]["Labels"][PROJECT].as_str() {
                    Some(other) => format!("a container of the stack {other}"),
                    None => "a container of no stack".to_owned(),
                };
                bail!("{name} is to be called {own}, as {whose} is already";
                    hint: "docker::container_absent(\"{own}\") before it removes that one");
            }
            if service.files.is_empty() {
                continue;
            }
            let ask = Command::gist("test -e", MISSING).args(&service.files);
            let missing = host.text(&ask).await?;
            if !missing.is_empty() {
                bail!("there is no {missing} on the host, which {name} mounts"; hint: "file::file(\"{missing}\", ...) before it writes one");
            }
        }
        Ok(())
    }
}
