//! `branchline ops …`: its subcommands and flags, and the help that teaches them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::duration;
use std::time::Duration;

/// `branchline ops`
#[derive(Debug, Subcommand)]
pub enum Ops {
    /// Make a key that signs route sets
    #[command(after_help = "\
For example:
  branchline ops keygen ops-2026 --out ~/keys      makes ops-2026.key (keep it) and ops-2026.pub
  openssl pkey -in ~/keys/ops-2026.key -text       it is an ordinary Ed25519 key

It prints the line for [uplink.route-keys] of every box that shall take this key's signatures. A box may
trust several keys by name (kid): so a new one is trusted before the old one is put away.")]
    Keygen(Keygen),
    /// Check a route set as a box would, and sign it
    #[command(after_help = "\
For example:
  branchline ops sign bru.json --signing-key ops-2026.key > bru.signed.json
  branchline ops sign bru.json --signing-key ops-2026.key --revision 43 --out bru.json

The signature covers the canonical form (RFC 8785) of everything but itself: white space and the order
of keys may change afterwards, nothing else.")]
    Sign(Sign),
    /// Send signed route sets to their offices, and wait for what the boxes say
    #[command(after_help = "\
For example:
  branchline ops push bru.json --broker mqtts://broker.example --ca ca.pem --cert ops.pem --key ops.key
  branchline ops push sets/ --broker mqtt://localhost                every *.json of a directory, in a lab
  branchline ops push bru.json --signing-key ops-2026.key …          signs what is not signed yet

Prints for each office applied, refused (with the part and the reason), rolled-back, or that nothing
came in time and what to look at. Exit code 65 if a box refused, 69 if one did not answer.")]
    Push(Push),
    /// What a route set file would change at its office
    #[command(after_help = "\
For example:
  branchline ops diff BRU bru.json --broker …

Compares with the desired set that the broker holds, and says if another one is in force. Links are matched
by id, routes by pattern. Exit code 0 if nothing would change, 1 if something would.")]
    Diff(Diff),
    /// All offices: which route set is in force, what is wrong, when they last spoke
    #[command(after_help = "\
For example:
  branchline ops status --broker …                 once
  branchline ops status --follow --broker …        live; Ctrl-C ends it
  branchline ops status --json --broker … | jq '.[] | select(.conditions != []) | .office'")]
    Status(Status),
    /// What happens, as it happens: events, boxes that come and go, route sets
    #[command(after_help = "\
For example:
  branchline ops watch --broker …                  every office
  branchline ops watch BRU PAR --broker …
  branchline ops watch --json --for 1h --broker … > events.jsonl     a line of JSON for each

Events of a box that was off line come when it returns, marked historical.")]
    Watch(Watch),
    /// Send route sets stage by stage, and stop at the first error
    #[command(after_help = "\
For example:
  branchline ops roll-out sets/ --stage 1 --stage 25% --broker …
  branchline ops roll-out sets/ --stage BRU,PAR --stage 50% --settle 5m --broker …

A stage is a number or a share of all offices (counted from the first), or a list of offices; those that
are left make the last stage. Every office of a stage must report `applied` and stay on line, not rolled
back and without a new health condition, for --settle; then the next stage begins. After an error nothing
more is sent; offices that have the new sets keep them (branchline ops roll-back takes them back).")]
    RollOut(RollOut),
    /// Send an office the set that it had before, under a new revision
    #[command(after_help = "\
For example:
  branchline ops roll-back BRU --signing-key ops-2026.key --broker …
  branchline ops roll-back BRU --to 41 --signing-key ops-2026.key --broker …
  branchline ops roll-back BRU --file old.json --signing-key ops-2026.key --broker …

The sets that `push` and `roll-out` sent are kept in --state. A revision never comes back: the old content
goes out as a newer revision, signed anew.")]
    RollBack(RollBack),
}

/// Where the broker is and how to show who we are.
#[derive(Args, Clone, Debug)]
pub struct BrokerArguments {
    /// The broker: mqtts://HOST[:8883], or mqtt://HOST[:1883] for a lab; may be repeated, the first that answers counts
    #[arg(long = "broker", value_name = "URL", required = true)]
    pub brokers: Vec<String>,
    /// The CA that the broker's certificate must come from (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The key of our certificate (PEM), readable by us only
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
}

/// Where signed sets that were sent are kept.
#[derive(Args, Clone, Debug)]
pub struct StateArguments {
    /// Where the sets that were sent are kept [default: $XDG_STATE_HOME/branchline/ops]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// What signs.
#[derive(Args, Clone, Debug)]
pub struct SigningArguments {
    /// The key that signs, of `branchline ops keygen`
    #[arg(long, value_name = "FILE")]
    pub signing_key: Option<PathBuf>,
    /// The key's name [default: its file's name without extension]
    #[arg(long, value_name = "NAME")]
    pub kid: Option<String>,
}

/// `branchline ops keygen`
#[derive(Args, Debug)]
pub struct Keygen {
    /// The key's name, such as ops-2026
    pub name: String,
    /// The directory for NAME.key and NAME.pub
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
}

/// `branchline ops sign`
#[derive(Args, Debug)]
pub struct Sign {
    /// The route set; - is standard input
    pub file: PathBuf,
    /// What signs.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// The revision to sign it as [default: the file's]
    #[arg(long)]
    pub revision: Option<u64>,
    /// Where to write it; may be the same file [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `branchline ops push`
#[derive(Args, Debug)]
pub struct Push {
    /// Route sets, or directories of them (*.json); one for each office
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How long to wait for the boxes
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// Send it even if the office has a newer revision, which its box will refuse
    #[arg(long)]
    pub force: bool,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArguments,
    /// What signs sets that are not signed yet.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// The archive.
    #[command(flatten)]
    pub state: StateArguments,
}

/// `branchline ops diff`
#[derive(Args, Debug)]
pub struct Diff {
    /// The office
    pub office: String,
    /// The route set; - is standard input
    pub file: PathBuf,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArguments,
}

/// `branchline ops status`
#[derive(Args, Debug)]
pub struct Status {
    /// Show it again whenever something changes
    #[arg(long, short)]
    pub follow: bool,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArguments,
}

/// `branchline ops watch`
#[derive(Args, Debug)]
pub struct Watch {
    /// Offices [default: all]
    #[arg(value_name = "OFFICE")]
    pub offices: Vec<String>,
    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub span: Option<Duration>,
    /// End after so many lines
    #[arg(long)]
    pub count: Option<u64>,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArguments,
}

/// `branchline ops roll-out`
#[derive(Args, Debug)]
pub struct RollOut {
    /// Route sets, or directories of them (*.json); one for each office
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A stage: a number or share of all offices (1, 25%), or offices (BRU,PAR); may be repeated
    #[arg(long = "stage", value_name = "STAGE")]
    pub stages: Vec<String>,
    /// How long the offices of a stage are watched before the next
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
    pub settle: Duration,
    /// How long to wait for the boxes of a stage
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArguments,
    /// What signs sets that are not signed yet.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// The archive.
    #[command(flatten)]
    pub state: StateArguments,
}

/// `branchline ops roll-back`
#[derive(Args, Debug)]
pub struct RollBack {
    /// The office
    pub office: String,
    /// The revision whose content shall come back [default: the one before that differs]
    #[arg(long, value_name = "REVISION", conflicts_with = "file")]
    pub to: Option<u64>,
    /// The set whose content shall come back
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How long to wait for the box
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArguments,
    /// What signs.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// The archive.
    #[command(flatten)]
    pub state: StateArguments,
}
