//! Subcommands, flags, and the help that teaches them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::ops::Ops;

/// Edge voice gateway of a branch office: phones and browsers on one side, Asterisk on the other.
#[derive(Debug, Parser)]
#[command(
    name = "branchline",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "\
A first call, on one machine, without Asterisk:
  branchline extension add 1001 1002        prints each password and token, once
  branchline run                            then open https://localhost:8443 and sign in

As a service:
  branchline check                          is /etc/branchline/branchline.toml valid?
  systemctl enable --now branchline
  branchline status

Exit codes (sysexits(3)): 0 done, 1 something was found (ops diff, ops roll-out), 64 wrong usage,
65 bad input, 66 not there, 69 the daemon or broker does not answer, 73 cannot create, 74 input or
output failed, 77 not allowed, 78 bad configuration."
)]
pub struct Arguments {
    /// The configuration file [default: /etc/branchline/branchline.toml if it is there, else built-in defaults]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon, in the foreground
    #[command(after_help = "\
It tells systemd when it is ready, reads its configuration again on SIGHUP, and on SIGTERM lets calls end
before it stops (a second SIGTERM stops at once).

  branchline run --config branchline.toml")]
    Run,
    /// Check a configuration file, and the certificates and keys it names
    #[command(after_help = "\
Every problem of the file is reported at once: file, line, column, key, and what was expected.

  branchline check                              the installed file
  branchline check site.toml                    another one
  branchline check --no-files site.toml         on another machine, where its certificates are not
  branchline check --json site.toml             for tools")]
    Check(Check),
    /// Make and use a site's own CA: certificates for this box, phones, browsers and Asterisk
    #[command(subcommand)]
    Ca(Ca),
    /// Create, list and remove extensions
    #[command(subcommand)]
    Extension(Extension),
    /// What Asterisk is told of our extensions
    #[command(subcommand)]
    Asterisk(Asterisk),
    /// How the box is: what is wrong, who is registered, how many calls
    Status,
    /// The calls that are up or being set up, and how they sound
    Calls,
    /// Which device of which extension is registered where
    Registrations,
    /// Which link to another office or a carrier is up, since when, and what failed last
    Links,
    /// Where a call to a number would go now, and why: devices, offices, links
    #[command(after_help = "\
For example:
  branchline resolve 1001                       one of our extensions
  branchline resolve 32-1001                    a user of any office, wherever they are
  branchline resolve PAR-1001 --json")]
    Resolve(Resolve),
    /// Let the running daemon read its configuration and certificates again
    Reload,
    /// Central ops: sign route sets, push them to the offices, see what is in force and what is wrong
    #[command(subcommand)]
    Ops(Ops),
    /// The federation's controller for central ops: REST, database, page
    #[cfg(feature = "controller")]
    #[command(subcommand)]
    Controller(super::controller::Controller),
    /// The software's version
    Version,
}

/// `branchline resolve`
#[derive(Args, Debug)]
pub struct Resolve {
    /// What would be dialled
    pub number: String,
}

/// `branchline extension parse`
#[derive(Args, Debug)]
pub struct Parse {
    /// The number as somebody wrote it
    pub number: String,
}

/// `branchline check`
#[derive(Args, Debug)]
pub struct Check {
    /// The file [default: the one of --config, or the installed one]
    pub file: Option<PathBuf>,
    /// Do not look at the certificates and keys that the file names
    #[arg(long)]
    pub no_files: bool,
}

/// `branchline ca`
#[derive(Debug, Subcommand)]
pub enum Ca {
    /// Make a CA in DIR, and with --server this box's certificate
    #[command(after_help = "\
One command for a start:
  branchline ca init /etc/branchline/ca --name 'Brussels CA' \\
      --server bru.example --server 192.168.10.2

DIR/ca.pem is for phones and browsers to trust; DIR/ca.key must stay here. Then in branchline.toml:
  [sip.tls]
  certificate = \"/etc/branchline/ca/issued/server.pem\"
  key = \"/etc/branchline/ca/issued/server.key\"
  client-certificate = \"optional\"
  ca = \"/etc/branchline/ca/ca.pem\"
  crl = \"/etc/branchline/ca/crl.pem\"")]
    Init(CaInit),
    /// Issue a certificate, in place of an older one of the same name
    #[command(after_help = "\
For example:
  branchline ca issue /etc/branchline/ca 1001                         for the phone of extension 1001
  branchline ca issue /etc/branchline/ca asterisk --host localhost --purpose server")]
    Issue(CaIssue),
    /// Revoke a certificate; reload the daemon afterwards
    Revoke(CaName),
    /// Sign the revocation list anew: an old list refuses every client
    Crl(CaDirectory),
    /// The CA and what it has issued
    Show(CaDirectory),
}

/// `branchline ca init`
#[derive(Args, Debug)]
pub struct CaInit {
    /// The CA's directory; made if absent
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The CA's name
    #[arg(long, default_value = "Branchline site CA")]
    pub name: String,
    /// A host name or address of this box; may be repeated
    #[arg(long = "server", value_name = "HOST")]
    pub servers: Vec<String>,
}

/// `branchline ca issue`
#[derive(Args, Debug)]
pub struct CaIssue {
    /// The CA's directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// A name for the certificate: the extension of a phone, a host
    pub name: String,
    /// What it is for
    #[arg(long, value_enum, default_value = "client")]
    pub purpose: IssuePurpose,
    /// A host name, address or URI in the certificate; may be repeated
    #[arg(long = "host")]
    pub hosts: Vec<String>,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IssuePurpose {
    /// A phone, a browser or Asterisk, as a client
    Client,
    /// A server
    Server,
    /// An office of the federation; the name is its id
    Office,
}

/// A certificate of a CA.
#[derive(Args, Debug)]
pub struct CaName {
    /// The CA's directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The certificate's name
    pub name: String,
}

/// A CA.
#[derive(Args, Debug)]
pub struct CaDirectory {
    /// The CA's directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// `branchline extension`
#[derive(Debug, Subcommand)]
pub enum Extension {
    /// Create extensions; prints each user name, password and token, this once
    #[command(after_help = "\
For example:
  branchline extension add 1001 --name 'Ann Peeters'
  branchline extension add 1001-1006 2000 --json

Only hashes are stored: who loses a password gets a new one (branchline extension password).
A running daemon knows them at once.")]
    Add(ExtensionAdd),
    /// The extensions
    List,
    /// What a written number is: its country, its extension, what is dialled for it here
    #[command(after_help = "\
For example:
  branchline extension parse 32-001-00-00-00
  branchline extension parse '+1 (800) 123-4567' --json")]
    Parse(Parse),
    /// Remove extensions with their registrations
    Remove(Numbers),
    /// Give extensions new passwords and tokens; prints them, this once
    Password(Numbers),
}

/// `branchline extension add`
#[derive(Args, Debug)]
pub struct ExtensionAdd {
    /// Numbers of 2 to 10 digits, and ranges of them
    #[arg(required = true, value_name = "NUMBER")]
    pub numbers: Vec<String>,
    /// A name for people [default: Extension NUMBER]
    #[arg(long)]
    pub name: Option<String>,
}

/// Some extensions.
#[derive(Args, Debug)]
pub struct Numbers {
    /// Numbers of 2 to 10 digits, and ranges of them
    #[arg(required = true, value_name = "NUMBER")]
    pub numbers: Vec<String>,
}

/// `branchline asterisk`
#[derive(Debug, Subcommand)]
pub enum Asterisk {
    /// Write the files that Asterisk includes: an endpoint, a hint and a mailbox for each extension
    #[command(after_help = "\
Write, then let Asterisk read:
  branchline asterisk render --out /etc/asterisk
  asterisk -rx 'module reload res_pjsip.so'; asterisk -rx 'dialplan reload'")]
    Render(AsteriskRender),
}

/// `branchline asterisk render`
#[derive(Args, Debug)]
pub struct AsteriskRender {
    /// Asterisk's configuration directory [default: config-dir of [asterisk] in the configuration]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
