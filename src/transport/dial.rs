//! DNS and TLS from a host's point of view: our own client, its bytes carried by the connection to the host.

use super::{Connection, Endpoint};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use std::fmt::Write as _;
use std::sync::Arc;
use stdlib::contract::{Ask, Dial, Error, Kind, Output, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

/// What it is called when the other side ends a connection.
const CLOSED: &str = "it closed the connection";

fn lost(error: std::io::Error) -> Error {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | BrokenPipe => Error::host(CLOSED),
        _ => Error::host(error.to_string()),
    }
}

/// A connection to somewhere, by way of a host.
trait Line: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// The answer to a question that is asked by the host at the other end.
pub async fn dial(connection: &dyn Connection, dial: &Dial) -> Result<Output> {
    let Dial { server, port, timeout, .. } = dial;
    let endpoint = Endpoint::Tcp(server.clone(), *port);
    let asked = async {
        let line = connect(connection, &endpoint).await?;
        match &dial.ask {
            Ask::Dns { name, kind } => dns(line, name, kind).await,
            Ask::Tls { name } => tls(line, name).await,
        }
    };
    let late =
        |_| Error::new(Kind::Timeout, format!("{server} port {port} did not answer within {} s", timeout.as_secs()));
    tokio::time::timeout(*timeout, asked).await.map_err(late)?.map_err(|error| {
        if error.kind != Kind::Host {
            return error;
        }
        // Where nothing was answered, the host may have said why.
        let complaint = connection.complaint(&endpoint).filter(|_| error.message == CLOSED);
        let said = complaint.as_ref().unwrap_or(&error.message);
        let failed = Error::host(format!("no answer from {server} port {port}: {said}"));
        match &complaint {
            Some(why) if why.to_lowercase().contains("prohibited") => {
                failed.hint("sshd on the host does not forward connections: AllowTcpForwarding yes")
            }
            Some(_) => failed,
            None => error.hints.iter().fold(failed, |failed, hint| failed.hint(hint.clone())),
        }
    })
}

async fn connect(connection: &dyn Connection, endpoint: &Endpoint) -> Result<Box<dyn Line>> {
    Ok(match (connection.forward(endpoint).await?, endpoint) {
        (Some(socket), _) => Box::new(UnixStream::connect(socket).await.map_err(lost)?),
        (None, Endpoint::Tcp(host, port)) => Box::new(TcpStream::connect((host.as_str(), *port)).await.map_err(lost)?),
        (None, Endpoint::Unix(path)) => Box::new(UnixStream::connect(path).await.map_err(lost)?),
    })
}

/// A question to a name server, and its answer: each with its size before it, as DNS wants it over TCP.
async fn dns(mut line: Box<dyn Line>, name: &str, kind: &str) -> Result<Output> {
    let wrong = |what: String| Error::playbook(what);
    let kind: RecordType = kind.parse().map_err(|_| wrong(format!("there is no type of record `{kind}`")))?;
    let mut asked = Name::from_utf8(name).map_err(|e| wrong(format!("`{name}` is no name: {e}")))?;
    asked.set_fqdn(true);
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(asked, kind));
    let bytes = query.to_vec().map_err(|e| wrong(format!("`{name}` cannot be asked for: {e}")))?;
    let silent = |e| lost(e).hint("it may answer over UDP only");
    let size = u16::try_from(bytes.len()).map_err(|_| wrong(format!("`{name}` is too long")))?;
    line.write_all(&[&size.to_be_bytes()[..], &bytes].concat()).await.map_err(lost)?;
    let size = line.read_u16().await.map_err(silent)?;
    let mut answer = vec![0; usize::from(size)];
    line.read_exact(&mut answer).await.map_err(lost)?;
    let broken = |what: &str| Error::host(format!("what it answers is no DNS: {what}"));
    let answer = Message::from_vec(&answer).map_err(|e| broken(&e.to_string()))?;
    if answer.metadata.id != query.metadata.id {
        return Err(broken("it is the answer to another question"));
    }
    let mut text = String::new();
    for record in &answer.answers {
        let _ = writeln!(text, "{record}");
    }
    let code = i32::from(u16::from(answer.metadata.response_code));
    Ok(Output { code, stdout: text.into_bytes(), ..Output::default() })
}

/// The certificates that a server shows, in PEM form.
async fn tls(line: Box<dyn Line>, name: &str) -> Result<Output> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::bug(format!("no TLS: {e}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    let server = ServerName::try_from(name.to_owned());
    let server = server.map_err(|_| Error::playbook(format!("`{name}` is no name of a server")))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(server, line).await;
    let stream = stream.map_err(|e| match lost(e) {
        closed if closed.message == CLOSED => closed,
        other => Error::host(format!("no TLS there: {}", other.message)),
    })?;
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let text: String = shown.iter().map(|der| pem(der)).collect();
    Ok(Output { stdout: text.into_bytes(), ..Output::default() })
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

/// Takes any certificate: what it says is the question, and nothing is told to the server.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, tokio_rustls::rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        tokio_rustls::rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        tokio_rustls::rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // the tests' own async runtime
mod tests {
    use super::*;
    use crate::transport::Local;
    use hickory_proto::op::{MessageType, ResponseCode};
    use hickory_proto::rr::{RData, Record, rdata};
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject};

    const TLS: &str = include_str!("../../tests/notify/tls.pem");

    async fn ask(port: u16, ask: Ask) -> Result<Output> {
        let question = Dial { server: "127.0.0.1".to_owned(), port, ask, timeout: Duration::from_secs(5) };
        dial(&Local, &question).await
    }

    fn records(name: &str, kind: &str) -> Ask {
        Ask::Dns { name: name.to_owned(), kind: kind.to_owned() }
    }

    #[tokio::test]
    async fn records_are_asked_for_over_tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut line, _) = listener.accept().await.unwrap();
                let mut bytes = vec![0; usize::from(line.read_u16().await.unwrap())];
                line.read_exact(&mut bytes).await.unwrap();
                let mut message = Message::from_vec(&bytes).unwrap();
                message.metadata.message_type = MessageType::Response;
                let name = message.queries[0].name().clone();
                if name.to_string() == "nas.home.arpa." {
                    let address = RData::A(rdata::A::new(192, 0, 2, 7));
                    message.answers.push(Record::from_rdata(name, 300, address));
                } else {
                    message.metadata.response_code = ResponseCode::NXDomain;
                }
                let bytes = message.to_vec().unwrap();
                line.write_all(&[&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat())
                    .await
                    .unwrap();
            }
        });
        let found = ask(port, records("nas.home.arpa", "A")).await.unwrap();
        assert_eq!((found.code, found.text().as_str()), (0, "nas.home.arpa. 300 IN A 192.0.2.7\n"));
        let none = ask(port, records("tv.home.arpa", "A")).await.unwrap();
        assert_eq!((none.code, none.text().as_str()), (3, ""));
        assert!(ask(port, records("nas", "X")).await.unwrap_err().message.contains("no type of record"));
    }

    #[tokio::test]
    async fn a_server_shows_its_certificate_whoever_vouches_for_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let certificate = CertificateDer::from_pem_slice(TLS.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(TLS.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()));
        tokio::spawn(async move {
            let (line, _) = listener.accept().await.unwrap();
            let _ = acceptor.accept(line).await;
            // The second one does not speak TLS.
            let (mut line, _) = listener.accept().await.unwrap();
            let _ = line.read(&mut [0; 4096]).await;
            line.write_all(b"220 smtp\r\n").await.unwrap();
        });
        let name = || Ask::Tls { name: "nas.example.com".to_owned() };
        let shown = ask(port, name()).await.unwrap().text();
        assert!(TLS.contains(shown.trim()), "{shown}");
        let plain = ask(port, name()).await.unwrap_err();
        assert!(plain.message.contains("no TLS there"), "{plain}");
    }

    #[tokio::test]
    async fn who_does_not_answer_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { drop(listener.accept().await) });
        let shut = ask(port, records("nas", "A")).await.unwrap_err();
        assert!(shut.message.contains(&format!("127.0.0.1 port {port}: it closed the connection")), "{shut}");
    }
}
