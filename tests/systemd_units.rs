//! The shipped units as systemd itself judges them.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The most exposed that the service may be, in tenths (`systemd-analyze security`).
const THRESHOLD: &str = "15";

fn units() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let is_unit = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "service" || kind == "socket");
    let mut units: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(is_unit).collect();
    units.sort();
    units
}

fn analyze(words: &[&str], units: &[PathBuf]) -> Output {
    Command::new("systemd-analyze").args(words).args(units).output().expect("systemd-analyze is installed")
}

#[test]
fn the_service_is_hardly_exposed() {
    let service: Vec<_> = units().into_iter().filter(|unit| unit.ends_with("branchline.service")).collect();
    let output = analyze(&["security", "--offline=yes", "--no-pager", "--threshold", THRESHOLD], &service);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_units_are_well_formed() {
    let scratch = std::env::temp_dir().join(format!("bl-units-{}", std::process::id()));
    fs::create_dir_all(&scratch).unwrap();
    let copies: Vec<PathBuf> = units()
        .iter()
        .map(|unit| {
            // Branchline need not be installed where the tests run.
            let text = fs::read_to_string(unit).unwrap().replace("/usr/bin/branchline", "/bin/true");
            let copy = scratch.join(unit.file_name().unwrap());
            fs::write(&copy, text).unwrap();
            copy
        })
        .collect();
    assert_eq!(copies.len(), 3);
    let output = analyze(&["verify", "--man=no"], &copies);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let own: Vec<&str> = said.lines().filter(|line| line.contains("branchline")).collect();
    assert!(output.status.success() && own.is_empty(), "{said}");
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn every_hardening_line_has_its_reason() {
    let service = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/branchline.service");
    let text = fs::read_to_string(service).unwrap();
    let sandbox = text.split("---- sandbox").nth(1).unwrap();
    let mut explained = false;
    for line in sandbox.lines().skip(1).take_while(|line| !line.starts_with('[')) {
        explained = line.starts_with("# ") || (explained && !line.is_empty());
        assert!(explained || line.is_empty(), "{line} has no reason before it");
    }
}
