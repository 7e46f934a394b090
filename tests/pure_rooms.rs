//! The rule that keeps the house in order: the pure rooms reach nothing outside.
//!
//! Time and randomness come into `sip`, `sdp`, `engine`, `media` and `uplink` as arguments, so that every timer,
//! race and failover can be tested in virtual time.

use std::fs;
use std::path::{Path, PathBuf};

const PURE: [&str; 5] = ["sip", "sdp", "engine", "media", "uplink"];

/// What a pure room may not name, outside its tests.
const FORBIDDEN: [(&str, &str); 12] = [
    ("tokio", "the runtime"),
    ("std::net::Tcp", "sockets"),
    ("std::net::Udp", "sockets"),
    ("UdpSocket", "sockets"),
    ("std::fs", "files"),
    ("std::env", "the environment"),
    ("std::thread", "threads"),
    ("Instant::now", "the clock"),
    ("SystemTime::now", "the clock"),
    ("thread_rng", "chance"),
    ("OsRng", "chance"),
    ("getrandom", "chance"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn is_test_file(path: &Path) -> bool {
    let is_folder = |name: &str| path.components().any(|part| part.as_os_str() == name);
    is_folder("tests")
        || is_folder("scenarios")
        || path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .is_some_and(|stem| stem.ends_with("tests") || stem == "testing")
}

/// The lines of product code: no comments, and nothing after the test module began.
fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn reach_no_runtime_socket_file_clock_or_chance() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut offences = Vec::new();
    for room in PURE.iter().map(|room| root.join(room)).filter(|room| room.is_dir()) {
        let mut files = Vec::new();
        sources(&room, &mut files);
        assert!(!files.is_empty(), "{} has no sources", room.display());
        for file in files.into_iter().filter(|file| !is_test_file(file)) {
            let text = fs::read_to_string(&file).expect("the source is UTF-8");
            for (number, line) in product_lines(&text) {
                for (word, what) in FORBIDDEN.iter().filter(|(word, _)| line.contains(word)) {
                    offences.push(format!("{}:{}: {word} ({what})", file.display(), number + 1));
                }
            }
        }
    }
    assert!(offences.is_empty(), "pure rooms reach outside:\n{}", offences.join("\n"));
}

#[test]
fn no_source_file_is_longer_than_600_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let long: Vec<_> = files
        .iter()
        .map(|file| (file, fs::read_to_string(file).expect("the source is UTF-8").lines().count()))
        .filter(|(_, lines)| *lines > 600)
        .collect();
    assert!(long.is_empty(), "split these: {long:?}");
}
