//! The one method that every read of a host goes through, and the one that every change goes through.

use super::super::lines::Lines;
use super::super::link::interrupted;
use super::super::resume::tree_digest;
use super::super::tell;
use super::Session;
use crate::report::Event;
use crate::transport::{Stream, asset, asset_tree, find, http_get};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::BTreeMap;
use stdlib::contract::{
    Asset, Await, Command, Content, Dial, Error, Foretold, Host, KEPT, Keepsake, Look, Output, Request, Result, Step,
    docker,
};

#[async_trait]
impl Look for Session {
    fn name(&self) -> &str {
        &self.host
    }
    async fn run(&self, asked: &Command) -> Result<Output> {
        if self.run.cancel.is_cancelled() {
            return Err(interrupted());
        }
        let manner = self.manner(Some(self.run.options.read_timeout))?;
        let (link, command) = (self.link()?, self.dressed(asked));
        let operating = self.now().operating;
        if operating && !command.long && !self.withheld() {
            let foreseen = self.ahead().read(link, &command, &manner);
            if let Some(answer) = foreseen
                && let Some(output) = answer.fresh().await
            {
                return Ok(output);
            }
        }
        let answer = link.read(&command, &manner).await;
        if let (Some(recorder), Ok(output)) = (&self.run.recorder, &answer) {
            recorder.asked(asked, output, self.withheld());
        }
        answer
    }
    async fn asset(&self, path: &str) -> Result<Option<Asset>> {
        let found = asset(path, &self.run.roots)?;
        let digest = found.as_ref().map(|asset| asset.sha256.clone()).unwrap_or_default();
        self.now().assets.insert(path.to_owned(), digest);
        if let Some(recorder) = &self.run.recorder {
            recorder.asset(path, found.as_ref(), self.withheld());
        }
        Ok(found)
    }
    async fn asset_tree(&self, path: &str) -> Result<Vec<Asset>> {
        let found = asset_tree(path, &self.run.roots)?;
        self.now().assets.insert(path.to_owned(), tree_digest(&found));
        if let Some(recorder) = &self.run.recorder {
            recorder.tree(path, &found);
        }
        Ok(found)
    }
    async fn http_get(&self, url: &str) -> Result<Vec<u8>> {
        let body = http_get(url).await?;
        if let Some(recorder) = &self.run.recorder {
            recorder.got(url, &body);
        }
        Ok(body)
    }
    async fn http(&self, request: &Request) -> Result<Output> {
        if !request.reads() {
            return Err(Error::bug(format!("a question that changes something: {}", request.line())));
        }
        if self.run.cancel.is_cancelled() {
            return Err(interrupted());
        }
        self.hide_all(request);
        let manner = self.manner(None)?;
        let output = self.link()?.request(request, &manner).await?;
        if let Some(recorder) = &self.run.recorder {
            recorder.answered(request, &output, self.withheld());
        }
        Ok(output)
    }
    async fn docker(&self, call: &docker::Call) -> Result<Output> {
        if !call.reads() {
            return Err(Error::bug(format!("a question that changes something: {}", call.line())));
        }
        if self.run.cancel.is_cancelled() {
            return Err(interrupted());
        }
        self.hide_secrets(call);
        let manner = self.manner(Some(self.run.options.read_timeout))?;
        let output = self.link()?.ask_docker(call, &manner).await?;
        if let Some(recorder) = &self.run.recorder {
            recorder.docker(call, &output, self.withheld());
        }
        Ok(output)
    }
    async fn render(&self, name: &str, template: &str, vars: &BTreeMap<String, Value>) -> Result<String> {
        self.run.learn(&self.host, template, &self.play.spec.vars, self).await?;
        let locals = vars.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let context = self.run.inventory.context(&self.host, &self.overlay(locals))?;
        // Errors name the file as the user would.
        let found = find(name, &self.run.roots);
        let here = std::env::current_dir().unwrap_or_default();
        let shown =
            found.as_deref().map(|path| path.strip_prefix(&here).unwrap_or(path).to_string_lossy().into_owned());
        self.run.templates.render(shown.as_deref().unwrap_or(name), template, context)
    }
    async fn dial(&self, dial: &Dial) -> Result<Output> {
        if self.run.cancel.is_cancelled() {
            return Err(interrupted());
        }
        let output = self.link()?.dial(dial, &self.manner(None)?).await?;
        if let Some(recorder) = &self.run.recorder {
            recorder.dialled(dial, &output);
        }
        Ok(output)
    }
    async fn channel(&self, name: &str) -> Result<Value> {
        let (config, channel) = tell::channel(&self.run.inventory, &self.run.options, name)?;
        for secret in channel.secrets() {
            self.run.bus.hide(&secret);
            if let Some(recorder) = &self.run.recorder {
                recorder.hide(&secret);
            }
        }
        if let Some(recorder) = &self.run.recorder {
            recorder.channel(name, &config);
        }
        Ok(config)
    }
    fn foretold_at(&self, path: &str) -> Option<Foretold> {
        self.run.options.check.then(|| self.run.keep.foretold_at(&self.host, path)).flatten()
    }
    fn foretold(&self, subject: &str) -> bool {
        self.run.options.check && self.run.keep.foretold(&self.host, subject)
    }
    fn hide(&self, secret: &str) {
        self.run.bus.hide(secret);
    }
    fn redacted(&self, text: &str) -> String {
        self.run.bus.redacted(text)
    }
}

#[async_trait]
impl Host for Session {
    async fn change(&self, step: &Step) -> Result<Output> {
        if self.run.options.check {
            return Err(Error::bug(format!("a change in check mode: {}", step.line())));
        }
        if self.run.cancel.is_cancelled() {
            return Err(interrupted());
        }
        if let Step::Send(delivery) = step {
            let output = self.run.deliver(delivery).await;
            if let Some(recorder) = &self.run.recorder {
                recorder.changed(step, &Ok(output.clone()), self.withheld());
            }
            return Ok(output);
        }
        self.ahead().change();
        let manner = self.manner(None)?;
        let told = step;
        let step = match step {
            Step::Run(command) => Step::Run(self.dressed(command)),
            Step::Write(write) => Step::Write(self.found(write)?),
            Step::Upload(upload) => Step::Upload(self.rooted(upload)),
            Step::Fetch(fetch) => Step::Fetch(self.placed(fetch)),
            Step::Http(request) => {
                self.hide_all(request);
                step.clone()
            }
            Step::Download(download) => {
                self.hide_all(&download.request);
                step.clone()
            }
            Step::Send(_) => step.clone(),
            Step::Docker(call) => {
                self.hide_secrets(call);
                step.clone()
            }
            Step::Await(wait) => Step::Await(Await { until: self.dressed(&wait.until), ..wait.clone() }),
        };
        if matches!(step, Step::Await(_)) {
            self.run.unlearn(&self.host);
        }
        let quiet = self.withheld();
        let operation = self.now().operation.clone();
        let lines = Lines::new();
        let tell = |stream: Stream, text: String| {
            let stream = if stream == Stream::Stdout { "stdout" } else { "stderr" }.to_owned();
            let (host, operation) = (self.host.clone(), operation.clone());
            self.run.bus.emit(Event::TaskOutput { host, operation, stream, text });
        };
        let sink = |stream: Stream, bytes: &[u8]| {
            if !quiet {
                lines.add(stream, bytes, &tell);
            }
        };
        let done = self.link()?.change(&step, &manner, &sink).await;
        lines.rest(&tell);
        if let Some(recorder) = &self.run.recorder {
            recorder.changed(told, &done, quiet);
        }
        done
    }
    async fn keep(&self, keepsake: &Keepsake) {
        let Some(vault) = self.run.vault.as_ref().filter(|vault| !vault.has(&keepsake.sha256)) else { return };
        if keepsake.size > KEPT {
            return;
        }
        match self.run(&keepsake.command).await {
            Ok(output) if Content::digest(&output.stdout) == keepsake.sha256 => {
                if let Err(error) = vault.put(&output.stdout) {
                    tracing::warn!("{error}");
                }
            }
            Ok(_) => tracing::debug!("not kept, because it has changed: {}", keepsake.command.line()),
            Err(error) => tracing::debug!("not kept: {error}"),
        }
    }
    fn look(&self) -> &dyn Look {
        self
    }
}
