//! The configuration file, the flags, and what they mean together. A flag wins over the file.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::store::{Address, Database};
use crate::config::{Broker, ClientCertificates, Environment, UplinkTls, read_key};
use crate::shell::pki::TlsFiles;
use crate::sip::{Host, Text};
use crate::uplink::{KeyId, SigningKey};

/// Longest configuration file, in bytes.
const LONGEST: u64 = 64 << 10;
const DEFAULT_LISTEN: &str = "127.0.0.1:9443";
const DEFAULT_GATEWAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 443);
/// Longest client id that every broker takes (MQTT 5 §3.1.3.1 promises 23).
const LONGEST_CLIENT_ID: usize = 64;

/// What the configuration file and the flags may say; both have the same words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Flags {
    /// The address of REST and page.
    pub listen: Option<SocketAddr>,
    /// The database: a file, or `postgres://USER@HOST[:PORT]/NAME`.
    pub database: Option<String>,
    /// The file with the password there: an absolute path, or `credential:NAME`.
    pub database_password: Option<String>,
    /// Who signs that server's certificate.
    pub database_ca: Option<PathBuf>,
    /// Our certificate for HTTPS.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Who signs clients' certificates; with it, clients must show one.
    pub client_ca: Option<PathBuf>,
    /// `mqtts://HOST[:PORT]`, tried in turn.
    pub brokers: Vec<String>,
    /// Who signs the brokers' certificates.
    pub broker_ca: Option<PathBuf>,
    /// Our certificate for the brokers.
    pub broker_certificate: Option<PathBuf>,
    /// Its key.
    pub broker_key: Option<PathBuf>,
    /// Our name at the brokers; another for each controller.
    pub client_id: Option<String>,
    /// What signs route sets.
    pub signing_key: Option<PathBuf>,
    /// Its name; the file's name without extension unless set.
    pub kid: Option<String>,
    /// The gateway between offices; in the file only.
    pub gateway: Option<GatewayFlags>,
}

/// `[gateway]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct GatewayFlags {
    /// The address; port 443 of all interfaces unless set.
    pub listen: Option<SocketAddr>,
    /// The gateway's name, which its certificate has and offices' links name.
    pub host: Option<String>,
    /// Its certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Who signs the offices' certificates.
    pub ca: Option<PathBuf>,
    /// What of these was revoked.
    pub crl: Option<PathBuf>,
}

/// What a gateway needs to run.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Where offices connect.
    pub listen: SocketAddr,
    /// Its name in SIP.
    pub host: Host,
    /// TLS, with client certificates.
    pub tls: TlsFiles,
}

/// What a controller needs to run.
#[derive(Debug)]
pub struct Settings {
    /// The address of REST and page.
    pub listen: SocketAddr,
    /// Where everything is kept.
    pub database: Database,
    /// HTTPS; without it plain HTTP, on loopback only.
    pub tls: Option<TlsFiles>,
    /// MQTT.
    pub brokers: BrokerSettings,
    /// What signs route sets.
    pub key: SigningKey,
    /// The gateway, if there shall be one.
    pub gateway: Option<GatewaySettings>,
}

/// How brokers are reached.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// At least one.
    pub brokers: Vec<Broker>,
    /// For those that are reached by TLS.
    pub tls: Option<UplinkTls>,
    /// Our name there.
    pub client_id: String,
}

impl Flags {
    /// Reads a file. The error says where, and what was expected.
    pub fn read(file: &Path) -> Result<Self, String> {
        let at = |error: &dyn Display| format!("{}: {error}", file.display());
        if std::fs::metadata(file).map_err(|error| at(&error))?.len() > LONGEST {
            return Err(at(&"longer than 64 KiB"));
        }
        let text = std::fs::read_to_string(file).map_err(|error| at(&error))?;
        toml::from_str(&text).map_err(|error| at(&error))
    }

    /// These, and where they say nothing, what `other` says.
    pub fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            database: self.database.or(other.database),
            database_password: self.database_password.or(other.database_password),
            database_ca: self.database_ca.or(other.database_ca),
            certificate: self.certificate.or(other.certificate),
            key: self.key.or(other.key),
            client_ca: self.client_ca.or(other.client_ca),
            brokers: if self.brokers.is_empty() { other.brokers } else { self.brokers },
            broker_ca: self.broker_ca.or(other.broker_ca),
            broker_certificate: self.broker_certificate.or(other.broker_certificate),
            broker_key: self.broker_key.or(other.broker_key),
            client_id: self.client_id.or(other.client_id),
            signing_key: self.signing_key.or(other.signing_key),
            kid: self.kid.or(other.kid),
            gateway: self.gateway.or(other.gateway),
        }
    }

    /// Where everything is kept.
    pub fn database(&self) -> Result<Database, String> {
        let missing =
            "expected database, a file that is made if it is not there, or postgres://USER@HOST/NAME";
        let written = self.database.as_deref().ok_or_else(|| missing.to_owned())?;
        if !Address::is_meant(written) {
            let is_plain = self.database_password.is_none() && self.database_ca.is_none();
            return is_plain.then(|| Database::File(written.into())).ok_or_else(|| {
                "database-password and database-ca are for a postgres:// database".to_owned()
            });
        }
        let password = self.database_password.as_deref();
        let password = password.map(|written| Environment::of_process().resolve(written)).transpose();
        let password = password.map_err(|words| format!("database-password: {words}"))?;
        Ok(Database::Server(Address::new(written, password, self.database_ca.clone())?))
    }

    /// What a controller needs; reads the signing key. The error says what is missing or wrong.
    pub fn settings(&self) -> Result<Settings, String> {
        let listen = match self.listen {
            Some(listen) => listen,
            None => DEFAULT_LISTEN.parse().map_err(|_| "no address to listen on".to_owned())?,
        };
        let tls = self.https()?;
        if tls.is_none() && !listen.ip().is_loopback() {
            let words = "expected certificate and key: without HTTPS it listens on loopback only";
            return Err(format!("listen {listen}: {words}"));
        }
        let (brokers, key) = (self.broker_settings()?, self.signing_key()?);
        let gateway = self.gateway.as_ref().map(GatewayFlags::settings).transpose()?;
        Ok(Settings { listen, database: self.database()?, tls, brokers, key, gateway })
    }

    fn https(&self) -> Result<Option<TlsFiles>, String> {
        let (certificate, key) = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None) if self.client_ca.is_none() => return Ok(None),
            _ => return Err("certificate and key come together, and client-ca needs both".to_owned()),
        };
        let clients =
            if self.client_ca.is_some() { ClientCertificates::Required } else { ClientCertificates::Off };
        let ca = self.client_ca.clone().unwrap_or_default();
        Ok(Some(TlsFiles { certificate, key, clients, ca, crl: None, alpn: vec![b"http/1.1".to_vec()] }))
    }

    fn broker_settings(&self) -> Result<BrokerSettings, String> {
        let brokers = self.brokers.iter().map(|url| broker(url)).collect::<Result<Vec<_>, _>>()?;
        if brokers.is_empty() {
            return Err("expected a broker, as in mqtts://broker.example".to_owned());
        }
        let own = match (&self.broker_certificate, &self.broker_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => return Err("broker-certificate and broker-key come together".to_owned()),
        };
        let tls = self.broker_ca.clone().map(|ca| UplinkTls { ca, own });
        if tls.is_none() && brokers.iter().any(|broker| broker.tls) {
            return Err("mqtts:// needs broker-ca, who signs the broker's certificate".to_owned());
        }
        let client_id = self.client_id.clone().unwrap_or_else(usual_client_id);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !(1..=LONGEST_CLIENT_ID).contains(&client_id.len()) || !client_id.chars().all(allowed) {
            return Err(
                "client-id: expected 1 to 64 letters, digits, dots, hyphens and underscores".to_owned()
            );
        }
        Ok(BrokerSettings { brokers, tls, client_id })
    }

    fn signing_key(&self) -> Result<SigningKey, String> {
        let missing = "expected signing-key, a file that `branchline ops keygen NAME` makes";
        let file = self.signing_key.as_deref().ok_or_else(|| missing.to_owned())?;
        let at = |error: &dyn Display| format!("{}: {error}", file.display());
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let id: KeyId = self.kid.as_deref().unwrap_or(stem).parse().map_err(|error| at(&error))?;
        let pem = read_key(file).map_err(|error| error.to_string())?;
        SigningKey::from_pem(id, &pem).map_err(|error| at(&error))
    }
}

/// The machine's name is in it, so that controllers of several machines differ.
fn usual_client_id() -> String {
    let machine = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let machine: String = machine.unwrap_or_default().chars().filter(allowed).collect();
    let id = format!("branchline-controller-{machine}");
    id.chars().take(LONGEST_CLIENT_ID).collect()
}

impl GatewayFlags {
    fn settings(&self) -> Result<GatewaySettings, String> {
        let expected =
            "[gateway]: expected host, certificate, key and ca, who signs the offices' certificates";
        let file = |file: &Option<PathBuf>| file.clone().ok_or_else(|| expected.to_owned());
        let host = self.host.as_deref().ok_or_else(|| expected.to_owned())?;
        let host = Host::parse(&Text::from(host)).map_err(|_| {
            format!("[gateway] host: expected a name as in \"gateway.example\", found \"{host}\"")
        })?;
        let tls = TlsFiles {
            certificate: file(&self.certificate)?,
            key: file(&self.key)?,
            clients: ClientCertificates::Required,
            ca: file(&self.ca)?,
            crl: self.crl.clone(),
            alpn: vec![b"http/1.1".to_vec()],
        };
        let listen = self.listen.unwrap_or(DEFAULT_GATEWAY);
        Ok(GatewaySettings { listen, host, tls })
    }
}

fn broker(url: &str) -> Result<Broker, String> {
    let expected = "expected mqtts://HOST[:PORT], or mqtt://HOST[:PORT] in a lab";
    Broker::from_url(url).ok_or_else(|| format!("{url}: {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Flags, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn flags_win_over_the_file_and_unknown_words_are_refused() {
        let file = read("listen = \"127.0.0.1:1\"\ndatabase = \"a.db\"\nbrokers = [\"mqtt://one\"]").unwrap();
        let flags = Flags { database: Some("b.db".into()), ..Flags::default() };
        let both = flags.or(file);
        assert_eq!(both.database, Some("b.db".into()));
        assert_eq!(both.listen, Some("127.0.0.1:1".parse().unwrap()));
        assert_eq!(both.brokers, ["mqtt://one"]);
        assert!(read("listne = \"127.0.0.1:1\"").unwrap_err().to_string().contains("listne"));
    }

    #[test]
    fn the_shipped_example_says_every_word() {
        let text = include_str!("../../config/controller/controller.toml");
        let flags = read(text).unwrap();
        assert!(matches!(flags.database().unwrap(), Database::Server(_)));
        let unset = format!("{flags:?}").matches("None").count();
        assert_eq!(unset, 0, "{flags:?}");
        flags.https().unwrap();
        assert_eq!(flags.broker_settings().unwrap().client_id, "controller-1");
    }

    #[test]
    fn a_database_is_a_file_or_a_server() {
        let of = |text: &str| read(text).unwrap().database();
        assert_eq!(of("database = \"fed.db\"").unwrap(), Database::File("fed.db".into()));
        assert!(of("").unwrap_err().contains("postgres://"));
        assert!(of("database = \"fed.db\"\ndatabase-ca = \"ca.pem\"").unwrap_err().contains("database-ca"));
        let server = "database = \"postgres://b@localhost/fed\"\ndatabase-password = \"relative\"";
        assert!(of(server).unwrap_err().contains("absolute"));
    }

    #[test]
    fn a_gateway_is_off_unless_it_is_there_and_listens_on_443() {
        let all = "[gateway]\nhost = \"gw.example\"\ncertificate = \"c\"\nkey = \"k\"\nca = \"ca\"";
        let settings = |text: &str| read(text).unwrap().gateway.unwrap().settings();
        assert_eq!(read("").unwrap().gateway, None);
        let found = settings(all).unwrap();
        assert_eq!(
            (found.listen, found.host.to_string()),
            ("0.0.0.0:443".parse().unwrap(), "gw.example".into())
        );
        assert_eq!(found.tls.clients, ClientCertificates::Required);
        assert!(settings(&all.replace("ca = \"ca\"", "")).unwrap_err().contains("who signs the offices'"));
        assert!(settings(&all.replace("gw.example", "a b")).unwrap_err().contains("expected a name"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let of = |text: &str| read(text).unwrap().settings().unwrap_err();
        assert!(of("").contains("expected a broker"));
        assert!(of("brokers = [\"mqtts://b\"]").contains("broker-ca"));
        assert!(of("brokers = [\"http://b\"]").contains("mqtts://HOST"));
        assert!(of("brokers = [\"mqtt://b\"]").contains("keygen"));
        assert!(of("listen = \"0.0.0.0:80\"").contains("loopback"));
        assert!(of("client-ca = \"x\"").contains("needs both"));
        assert!(read("[gateway]\nhots = \"x\"").unwrap_err().to_string().contains("hots"));
        assert!(of("brokers = [\"mqtt://b\"]\nclient-id = \"a b\"").contains("client-id"));
    }
}
