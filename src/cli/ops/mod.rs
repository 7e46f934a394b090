//! `branchline ops …`: route sets from central ops to the boxes, and what the boxes say.
//!
//! | file | what is there |
//! | --- | --- |
//! | `arguments` | subcommands, flags, help |
//! | `broker` | the broker's address and our certificate |
//! | `session` | the MQTT session: a thread that reads, and what came |
//! | `fleet` | what the retained messages say of each office |
//! | `sets` | route sets in files: reading, signing, the archive of those that were sent |
//! | `keys` | `keygen`, and reading keys |
//! | `sign`, `push`, `diff`, `status`, `watch`, `roll_out`, `roll_back` | the commands |
//!
//! A command that sends waits for what the boxes report: the broker's acknowledgement says only that the message lies
//! there.

mod arguments;
mod broker;
mod diff;
mod fleet;
mod keys;
mod push;
mod roll_back;
mod roll_out;
mod session;
mod sets;
mod sign;
mod status;
mod watch;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::time::Duration;

pub(super) use arguments::Ops;

use super::Failure;
use crate::config;
use crate::uplink::{OfficeId, Refusal};

/// Carries out a command of ops.
pub(super) fn ops(wish: &Ops, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    match wish {
        Ops::Keygen(wish) => keys::keygen(wish, json, out),
        Ops::Sign(wish) => sign::sign(wish, json, out),
        Ops::Push(wish) => push::push(wish, json, out),
        Ops::Diff(wish) => diff::diff(wish, json, out),
        Ops::Status(wish) => status::status(wish, json, out),
        Ops::Watch(wish) => watch::watch(wish, json, out),
        Ops::RollOut(wish) => roll_out::roll_out(wish, json, out),
        Ops::RollBack(wish) => roll_back::roll_back(wish, json, out),
    }
}

/// A length of time as a flag has it.
fn duration(text: &str) -> Result<Duration, String> {
    config::parse_time(text)
}

fn office(text: &str) -> Result<OfficeId, Failure> {
    text.parse().map_err(|_| Failure::Usage(format!("{text}: expected an office's id, as in BRU")))
}

/// What is wrong with what was read from `name`.
fn bad_input(name: &str, refusal: &Refusal) -> Failure {
    Failure::BadInput(format!("{name}: {refusal}"))
}
