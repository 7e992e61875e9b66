//! Letters over SMTP, from the controller.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls as Layer, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error as Refusal};
use lettre::{AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;
use stdlib::contract::{Error, Mail, Output, Result, Tls};

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(15);

/// Hand a letter over. What the server says is an answer, its code included; an error means that it said nothing.
pub async fn mail(mail: &Mail) -> Result<Output> {
    let letter = letter(mail)?;
    let server = || format!("{}:{}", mail.server, mail.port);
    let wrong = |e: Refusal| Error::playbook(format!("{}: {e}", server()));
    let parameters = TlsParameters::builder(mail.server.clone()).dangerous_accept_invalid_certs(mail.insecure);
    let layer = match mail.tls {
        Tls::None => Layer::None,
        Tls::Starttls => Layer::Required(parameters.build().map_err(wrong)?),
        Tls::Tls => Layer::Wrapper(parameters.build().map_err(wrong)?),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.server)
        .port(mail.port)
        .timeout(Some(PATIENCE))
        .tls(layer);
    if let Some(user) = &mail.user {
        transport = transport.credentials(Credentials::new(user.clone(), mail.password.clone().unwrap_or_default()));
    }
    match transport.build().send(letter).await {
        Ok(answer) => {
            let said = answer.message().collect::<Vec<_>>().join("\n");
            Ok(Output { code: i32::from(u16::from(answer.code())), stdout: said.into_bytes(), ..Output::default() })
        }
        Err(error) => match error.status() {
            Some(code) => {
                let said = reasons(&error);
                Ok(Output { code: i32::from(u16::from(code)), stderr: said.into_bytes(), ..Output::default() })
            }
            None => Err(explain(&server(), mail.tls, &error)),
        },
    }
}

fn letter(mail: &Mail) -> Result<Message> {
    let address = |text: &String| {
        let parsed = text.parse::<Mailbox>();
        parsed.map_err(|e| Error::playbook(format!("`{text}` is no address: {e}")))
    };
    let from = address(&mail.from)?;
    let id = format!("<{}@{}>", super::nonce(), from.email.domain());
    let mut builder = Message::builder().from(from).message_id(Some(id)).subject(&mail.subject);
    for to in &mail.to {
        builder = builder.to(address(to)?);
    }
    for (name, value) in &mail.headers {
        let name = HeaderName::new_from_ascii(name.clone());
        let name = name.map_err(|e| Error::bug(format!("no name of a header: {e}")))?;
        builder = builder.raw_header(HeaderValue::new(name, value.clone()));
    }
    let part = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(mail.text.clone());
    builder.singlepart(part).map_err(|e| Error::playbook(format!("no letter: {e}")))
}

/// What an error says, and what is behind it.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(reason) = source {
        texts.push(reason.to_string());
        source = reason.source();
    }
    texts.dedup();
    // The outer text mostly repeats the inner one.
    texts.last().filter(|last| texts[0].contains(last.as_str())).unwrap_or(&texts[0]).clone()
}

fn explain(server: &str, tls: Tls, refusal: &Refusal) -> Error {
    let said = reasons(refusal);
    let error = Error::host(format!("no answer from the mail server {server}: {said}"));
    match tls {
        Tls::Starttls if said.contains("STARTTLS") => {
            error.hint("tls: tls speaks TLS from the first byte, tls: none not at all")
        }
        _ if said.contains("certificate") => error.hint("validate_certs: false, if you must"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_has_what_it_is_given_and_no_header_more() {
        let mail = Mail {
            from: "Homelab <hlrun@example.com>".to_owned(),
            to: vec!["ann@example.com".to_owned(), "Bob <bob@example.com>".to_owned()],
            subject: "✓ done\r\nBcc: eve@example.com".to_owned(),
            headers: vec![("X-Priority".to_owned(), "1".to_owned())],
            text: "größer\n.\nas it is".to_owned(),
            ..Mail::default()
        };
        let letter = letter(&mail).unwrap();
        let text = String::from_utf8(letter.formatted()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.lines().all(|line| !line.starts_with("Bcc")), "{head}");
        for line in ["From: Homelab <hlrun@example.com>", "To: ann@example.com, Bob <bob@example.com>", "X-Priority: 1"]
        {
            assert!(head.lines().any(|l| l == line), "{head}");
        }
        assert!(body.contains("gr=C3=B6=C3=9Fer") || body.contains("größer"), "{body}");
        let envelope: Vec<String> = letter.envelope().to().iter().map(ToString::to_string).collect();
        assert_eq!(envelope, ["ann@example.com", "bob@example.com"]);
        let nobody = self::letter(&Mail { to: vec!["nobody".to_owned()], ..mail }).unwrap_err();
        assert!(nobody.message.starts_with("`nobody` is no address"), "{nobody}");
    }
}
