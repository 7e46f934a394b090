//! What fuzzing throws at Branchline, one function a target: bytes in, a panic when something is wrong.
//!
//! | target | what it feeds | what must hold, beside no panic |
//! | --- | --- | --- |
//! | [`sip`] | one SIP message | what was read is written and read again as the same |
//! | [`framing`] | a stream, cut into pieces | the pieces' size does not matter |
//! | [`sdp`] | a description, as offer and as answer | what we write can be read, and agrees with what we said |
//! | [`webrtc`] | STUN and DTLS, from strangers and between two real ends | ends stay in bounds, timers move on |
//! | [`rtp`] | RTP, RTCP, SRTP, in clear and with the right key | no clear packet enters or leaves an SRTP end |
//! | [`uplink`] | topics, documents, signatures, and route sets that ops did sign | canonical JSON is its own, digests agree |
//! | [`engine`] | messages, answers, pages, media news and time | what is sent can be parsed; after the end nothing is left |
//!
//! With the feature `libfuzzer` the program `fuzz` lets libFuzzer choose the bytes (`scripts/fuzz`). Without it
//! `cargo test -p branchline-fuzz` replays the seeds and every input that ever failed (`fuzz/regressions`).

pub mod bytes_in;
pub mod engine;
pub mod framing;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod uplink;
pub mod webrtc;

/// A target: its name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("sip", sip::run),
    ("framing", framing::run),
    ("sdp", sdp::run),
    ("webrtc", webrtc::run),
    ("rtp", rtp::run),
    ("uplink", uplink::run),
    ("engine", engine::run),
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::TARGETS;

    fn files(directory: &Path) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect()
    }

    #[test]
    fn every_target_takes_its_seeds_and_old_failures() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (name, run) in TARGETS {
            let directories = match name {
                "sip" | "framing" => vec![root.join("../rfc4475"), root.join("seeds/sip")],
                "sdp" => vec![root.join("../fixtures/sdp"), root.join("seeds/sdp")],
                _ => vec![root.join("seeds").join(name)],
            };
            let seeds: Vec<_> = directories.iter().flat_map(|directory| files(directory)).collect();
            assert!(!seeds.is_empty(), "{name} has seeds");
            for path in seeds.into_iter().chain(files(&root.join("regressions").join(name))) {
                eprintln!("{name}: {}", path.display());
                run(&fs::read(&path).expect("a readable seed"));
            }
            run(b"");
        }
    }
}
