//! `branchline controller …`: the federation's controller, and its API keys.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Failure, table};
use crate::config::{ConfigError, Problem};
use crate::controller::{Failed, Flags, Store, run};

/// `branchline controller`
#[derive(Debug, Subcommand)]
pub enum Controller {
    /// Run the controller, in the foreground
    #[command(after_help = "\
A first federation, in a lab with a broker on this machine:
  branchline ops keygen ops-2026                       the key that signs route sets
  branchline controller key add me --database fed.db   prints an API key, once
  branchline controller run --database fed.db --broker mqtt://localhost --signing-key ops-2026.key
                                                       then open http://localhost:9443
  api() { curl -sS -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\
          http://localhost:9443/api/v1/voip/federation/\"$@\"; }
  api offices -d '{\"id\":\"BRU\",\"name\":\"Brussels\"}'
  api links   -d '{\"at\":\"BRU\",\"id\":\"par-sip\",\"kind\":\"SipTrunk\",\"office\":\"PAR\",
                   \"address\":\"sip:par.example:5061;transport=tls\"}'
  api routes  -d '{\"at\":\"BRU\",\"pattern\":\"PAR-*\",\"office\":\"PAR\",\"links\":[\"par-sip\"],\"strip\":4}'
  api offices/BRU/desired -d '' -X POST                composes, numbers, signs, publishes
  api offices/BRU/reported                             what the box says

A configuration file has the same words; a flag wins over it. Without --config none is read:
  listen = \"0.0.0.0:9443\"
  database = \"/var/lib/branchline-controller/federation.db\"
  certificate = \"/etc/branchline/controller.pem\"     # HTTPS; without it, loopback only
  key = \"/etc/branchline/controller.key\"
  client-ca = \"/etc/branchline/ops-ca.pem\"           # clients must show a certificate of it
  brokers = [\"mqtts://broker-1.example\", \"mqtts://broker-2.example\"]
  broker-ca = \"/etc/branchline/uplink-ca.pem\"
  broker-certificate = \"/etc/branchline/ops.pem\"
  broker-key = \"/etc/branchline/ops.key\"
  signing-key = \"/etc/branchline/ops-2026.key\"
  [gateway]                          # offices call each other through it: SIP over secure WebSocket; off without this
  listen = \"0.0.0.0:443\"                             # the default
  host = \"gateway.example\"                           # as in the offices' links: wss://gateway.example
  certificate = \"/etc/branchline/gateway.pem\"        # of the federation's CA, names the host
  key = \"/etc/branchline/gateway.key\"
  ca = \"/etc/branchline/federation-ca.pem\"           # who signs the offices' certificates
  crl = \"/etc/branchline/federation.crl\"

An office connects with its certificate and a token, and may call all others unless told otherwise:
  api tokens -d '{\"office\":\"BRU\",\"name\":\"its box\",\"permissions\":[\"connect\"],\"life\":\"90d\"}'
  api offices/BRU/permissions -X PUT -d '{\"may-call\":[\"PAR\"]}'
  api gateway                                          who is connected, what was refused

Several controllers side by side share a PostgreSQL and a signing key, each with a client-id of its own:
  database = \"postgres://branchline@db.example/federation\"
  database-password = \"credential:database-password\"  # or a file of its own; never in the address
  database-ca = \"/etc/branchline/database-ca.pem\"    # unless the server is on this machine
  client-id = \"controller-1\"

SIGHUP reads certificates again. SIGTERM stops; nothing that was answered is lost.")]
    Run(Box<Run>),
    /// Make, list and remove API keys; a running controller knows them at once
    #[command(subcommand)]
    Key(Key),
}

/// `branchline controller run`
#[derive(Args, Debug)]
pub struct Run {
    /// The address of REST and page [default: 127.0.0.1:9443]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where everything is kept
    #[command(flatten)]
    pub place: Place,
    /// Our certificate for HTTPS (PEM)
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The CA of clients' certificates; with it they must show one
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
    /// A broker: mqtts://HOST[:8883], or mqtt://HOST[:1883] in a lab; may be repeated
    #[arg(long = "broker", value_name = "URL")]
    pub brokers: Vec<String>,
    /// The CA of the brokers' certificates
    #[arg(long, value_name = "FILE")]
    pub broker_ca: Option<PathBuf>,
    /// Our certificate for the brokers
    #[arg(long, value_name = "FILE")]
    pub broker_certificate: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE")]
    pub broker_key: Option<PathBuf>,
    /// Our name at the brokers, another one for each controller [default: branchline-controller-HOSTNAME]
    #[arg(long, value_name = "NAME")]
    pub client_id: Option<String>,
    /// The key that signs route sets, of `branchline ops keygen`
    #[arg(long, value_name = "FILE")]
    pub signing_key: Option<PathBuf>,
    /// The key's name [default: its file's name without extension]
    #[arg(long, value_name = "NAME")]
    pub kid: Option<String>,
}

/// `branchline controller key`
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make an API key and print it, this once; only its hash is stored
    Add(KeyName),
    /// The names of all API keys
    List(Place),
    /// Take an API key out of use
    Remove(KeyName),
}

/// An API key.
#[derive(Args, Debug)]
pub struct KeyName {
    /// Whose it is, for you to know which to remove
    pub name: String,
    /// Where it is kept.
    #[command(flatten)]
    pub place: Place,
}

/// The controller's database.
#[derive(Args, Debug)]
pub struct Place {
    /// A file, made if it is not there, or postgres://USER@HOST[:PORT]/NAME [default: that of --config]
    #[arg(long, value_name = "FILE|URL")]
    pub database: Option<String>,
    /// The file with the password of a postgres:// database, or credential:NAME
    #[arg(long, value_name = "FILE")]
    pub database_password: Option<String>,
    /// The CA of that server's certificate; needed unless it is on this machine
    #[arg(long, value_name = "FILE")]
    pub database_ca: Option<PathBuf>,
}

/// Longest name of a key.
const LONGEST_NAME: usize = 64;

/// Carries out a command of the controller.
pub(super) fn controller(
    wish: &Controller,
    config: Option<&Path>,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let file = config.map(read).transpose()?.unwrap_or_default();
    match wish {
        Controller::Run(wish) => {
            let settings = wish.flags().or(file).settings();
            let settings = settings.map_err(|words| refused(config, words))?;
            let scheme = if settings.tls.is_some() { "https" } else { "http" };
            let mut told = Ok(());
            run(settings, |address| told = writeln!(out, "{scheme}://{address}").and_then(|()| out.flush()))?;
            Ok(told?)
        }
        Controller::Key(wish) => key(wish, file, config, json, out),
    }
}

fn key(
    wish: &Key,
    file: Flags,
    config: Option<&Path>,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (Key::Add(KeyName { place, .. }) | Key::Remove(KeyName { place, .. }) | Key::List(place)) = wish;
    let flags = place.flags().or(file);
    let store = Store::open(flags.database().map_err(|words| refused(config, words))?);
    let store = store.map_err(Failed::from)?;
    match wish {
        Key::Add(KeyName { name, .. }) => {
            if !(1..=LONGEST_NAME).contains(&name.len()) {
                return Err(Failure::Usage("expected a name of 1 to 64 bytes".to_owned()));
            }
            let secret = store.add_key(name).map_err(Failed::from)?;
            let secret = secret.ok_or_else(|| Failure::BadInput(format!("there is a key {name} already")))?;
            if json {
                let value = serde_json::json!({ "name": name, "key": secret.reveal() });
                return table::print_json(out, &value);
            }
            Ok(writeln!(out, "{}", secret.reveal())?)
        }
        Key::List(_) => {
            let names = store.key_names().map_err(Failed::from)?;
            if json {
                return table::print_json(out, &names);
            }
            Ok(names.iter().try_for_each(|name| writeln!(out, "{name}"))?)
        }
        Key::Remove(KeyName { name, .. }) => {
            let removed = store.remove_key(name).map_err(Failed::from)?;
            removed.then_some(()).ok_or_else(|| Failure::Missing(format!("there is no key {name}")))
        }
    }
}

impl Run {
    fn flags(&self) -> Flags {
        Flags {
            listen: self.listen,
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            client_ca: self.client_ca.clone(),
            brokers: self.brokers.clone(),
            broker_ca: self.broker_ca.clone(),
            broker_certificate: self.broker_certificate.clone(),
            broker_key: self.broker_key.clone(),
            client_id: self.client_id.clone(),
            signing_key: self.signing_key.clone(),
            kid: self.kid.clone(),
            ..self.place.flags()
        }
    }
}

impl Place {
    fn flags(&self) -> Flags {
        Flags {
            database: self.database.clone(),
            database_password: self.database_password.clone(),
            database_ca: self.database_ca.clone(),
            ..Flags::default()
        }
    }
}

fn read(file: &Path) -> Result<Flags, Failure> {
    Flags::read(file).map_err(|words| refused(None, words))
}

fn refused(config: Option<&Path>, message: String) -> Failure {
    let file = config.unwrap_or(Path::new("branchline controller")).to_owned();
    Failure::Config(ConfigError {
        problems: vec![Problem { file, line: None, column: None, key: String::new(), message }],
    })
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Store(error) => Self::Io(std::io::Error::other(error.to_string())),
            Failed::Pki(error) => Self::Pki(error),
            Failed::Io(error) => Self::Io(error),
        }
    }
}
