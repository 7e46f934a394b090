//! Load for Branchline and its peers, and what it costs them: driven by `scripts/bench`.
//!
//! ```text
//! load signalling …    REGISTER, calls, TLS handshakes, registered phones; see signalling.rs
//! load media …         calls with media; see media/mod.rs
//! ```
//! Prints one JSON object. What a server costs is read from `/proc`: processor time and memory of it and its
//! descendants.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "figures to be read, not counted with")]

mod cpu;
#[path = "../relay/floor.rs"]
mod floor;
mod link;
mod media;
mod order;
mod phone;
mod signalling;
mod websocket;

use branchline::media::srtp::{SrtpKey, SrtpProfile};

/// What the bare loop opens and seals with; the shape of `benches/relay`'s cases.
struct Case {
    from: Option<SrtpProfile>,
    to: Option<SrtpProfile>,
}

/// Keys of the bare loop's ends.
fn key(profile: SrtpProfile, seed: u8) -> SrtpKey {
    let joined = vec![seed; profile.key_length() + profile.salt_length()];
    SrtpKey::from_joined(profile, &joined).expect("invariant: the profile's own lengths")
}

fn main() {
    let report = match std::env::args().nth(1).as_deref() {
        Some("signalling") => signalling::run(),
        Some("media") => media::run(),
        // `cargo bench` runs every target without a subcommand.
        _ => return eprintln!("load: driven by scripts/bench; see the head of benches/load/main.rs"),
    };
    match report {
        Ok(report) => println!("{report}"),
        Err(error) => {
            eprintln!("load: {error}");
            std::process::exit(1);
        }
    }
}
