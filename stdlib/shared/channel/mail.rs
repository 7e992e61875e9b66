//! E-mail over SMTP.

use super::{Message, Priority, Service, text::Unit, text::fit, text::plain};
use crate::bail;
use crate::contract::{By, Mail, Result, Tls};
use crate::shared::Many;
use schemars::JsonSchema;
use serde::Deserialize;

/// A mail server, and who gets letters by it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Letters {
    /// The mail server.
    server: String,
    /// Its port; 587 without it, 465 with `tls: tls`, 25 with `tls: none`.
    port: Option<u16>,
    /// How the way there is encrypted: `starttls`, `tls` from the first byte, or `none`.
    #[serde(default)]
    tls: Tls,
    /// Who logs in; nobody without it.
    user: Option<String>,
    /// The password to that.
    password: Option<String>,
    /// Who letters are from, such as `Homelab <hlrun@example.com>`.
    from: String,
    /// Who gets them: one or several.
    to: Many<String>,
}

impl Service for Letters {
    fn message(&self, message: &Message) -> Result<By> {
        let to = self.to.as_slice().to_vec();
        if to.is_empty() {
            bail!(playbook: "`to` names nobody");
        }
        if let Some(address) = to.iter().chain([&self.from]).find(|address| address.contains(char::is_control)) {
            bail!(playbook: "`{}` is no address: it has a line break", super::one_line(address));
        }
        let mut text = message.body.clone();
        if let Some(url) = &message.url {
            text += &format!("\n\n{url}\n");
        }
        let usual = match self.tls {
            Tls::Starttls => 587,
            Tls::Tls => 465,
            Tls::None => 25,
        };
        let headers = match message.priority {
            Priority::High | Priority::Urgent => vec![("X-Priority".to_owned(), "1".to_owned())],
            _ => Vec::new(),
        };
        Ok(By::Mail(Box::new(Mail {
            server: self.server.clone(),
            port: self.port.unwrap_or(usual),
            tls: self.tls,
            user: self.user.clone(),
            password: self.password.clone(),
            from: self.from.clone(),
            to,
            subject: fit(&super::one_line(&message.first()), 200, Unit::Char, plain),
            headers,
            text,
            ..Mail::default()
        })))
    }
    fn secrets(&self) -> Vec<String> {
        self.password.iter().cloned().collect()
    }
}
