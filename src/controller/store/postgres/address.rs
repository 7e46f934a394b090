//! Where a database is, and how we show ourselves there.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls::Tls;
use crate::config::read_key;
use crate::shell::pki;

const CONNECT: Duration = Duration::from_secs(5);
/// After this long without a sign of a server with which we wait, it is gone.
const SILENCE: Duration = Duration::from_secs(10);
const NAME: &str = "branchline-controller";

/// A database of a server: `postgres://USER@HOST[:PORT]/NAME`, several hosts separated by commas.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    config: Box<Config>,
    /// The file with the password, read for each connection.
    password: Option<PathBuf>,
    /// Who signs the server's certificate.
    ca: Option<PathBuf>,
}

impl Address {
    /// Whether this names a server, and not a file.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Checks an address. A password must not stand in it, and a server elsewhere is reached by TLS only. The error shows
    /// nothing of it, because there may be a password after all.
    pub fn new(url: &str, password: Option<PathBuf>, ca: Option<PathBuf>) -> Result<Self, String> {
        let expected = "database: expected a file, or postgres://USER@HOST[:PORT]/NAME";
        let mut config = Config::from_str(url).map_err(|_| expected.to_owned())?;
        if config.get_password().is_some() {
            return Err(
                "database: a password does not belong there, but into the file database-password".to_owned()
            );
        }
        if config.get_dbname().is_none() || config.get_user().is_none() {
            return Err(format!("{expected}, with its user and its name"));
        }
        let is_tcp = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)))
            || !config.get_hostaddrs().is_empty();
        if ca.is_none() && !is_local(&config) {
            return Err(
                "database: a server elsewhere needs database-ca, who signs its certificate".to_owned()
            );
        }
        config
            .ssl_mode(if ca.is_some() && is_tcp { SslMode::Require } else { SslMode::Disable })
            .connect_timeout(CONNECT)
            .tcp_user_timeout(SILENCE)
            .keepalives_idle(SILENCE)
            .application_name(NAME);
        Ok(Self { config: Box::new(config), password, ca })
    }

    /// What to connect with, its files read.
    pub(super) fn read(&self) -> Result<(Box<Config>, Tls), String> {
        let mut config = self.config.clone();
        if let Some(file) = &self.password {
            let password = read_key(file).map_err(|error| error.to_string())?;
            config.password(password.trim_ascii());
        }
        let tls = match &self.ca {
            Some(ca) => Some(pki::client_config(ca, None).map_err(|error| error.to_string())?),
            None => None,
        };
        Ok((config, Tls::new(tls)))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("hosts", &self.config.get_hosts())
            .field("name", &self.config.get_dbname())
            .finish_non_exhaustive()
    }
}

/// Whether no packet leaves the machine.
fn is_local(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    });
    hosts && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_is_verified_and_no_password_stands_in_the_address() {
        let new = |url: &str| Address::new(url, None, None);
        assert!(new("postgres://branchline@localhost/federation").is_ok());
        assert!(new("postgresql://branchline@127.0.0.1:5433/federation").is_ok());
        assert!(new("postgres://branchline@%2Frun%2Fpostgresql/federation").is_ok());
        let remote = "postgres://branchline@db.example,localhost/federation";
        assert!(new(remote).unwrap_err().contains("database-ca"));
        assert!(new("postgres://b@localhost/f?hostaddr=192.0.2.1").unwrap_err().contains("database-ca"));
        let checked = Address::new(remote, None, Some("ca.pem".into())).unwrap();
        assert_eq!(checked.config.get_ssl_mode(), SslMode::Require);
        let off = Address::new(&format!("{remote}?sslmode=disable"), None, Some("ca.pem".into())).unwrap();
        assert_eq!(off.config.get_ssl_mode(), SslMode::Require);
        for secret in [
            "postgres://b:hunter2@localhost/f",
            "postgres://b@localhost/f?password=hunter2",
            "postgres://b:hunt/er2@localhost/f",
        ] {
            let words = new(secret).unwrap_err();
            assert!(!words.contains("hunt"), "{words}");
        }
        assert!(new("postgres://localhost/f").is_err() && new("postgres://b@localhost").is_err());
    }
}
