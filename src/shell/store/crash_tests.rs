//! `kill -9` in the middle of writing: every row that was acknowledged is there afterwards.
//!
//! The test starts itself again as the writer (by [`WRITER`]), which prints each number it got a receipt for.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::process::{Child, Command, Stdio};

use super::tests::{Scratch, binding, options};
use super::{Store, Write};

/// Names the directory in which the child writes.
const WRITER: &str = "BRANCHLINE_TEST_STORE_WRITER";
/// Rounds of writing and killing.
const ROUNDS: usize = 8;

#[test]
fn every_acknowledged_row_survives_kill_9() {
    if let Some(directory) = std::env::var_os(WRITER) {
        write_until_killed(directory.as_ref());
    }
    let scratch = Scratch::new("crash");
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut child = start_writer(&scratch.0);
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // A different moment each round: somewhere after the round's n-th receipt.
        for _ in 0..20 + round * 37 {
            acknowledged = acknowledged.max(next_number(&mut lines).expect("the writer goes on"));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(number) = next_number(&mut lines) {
            acknowledged = acknowledged.max(number);
        }
        let store = Store::open_strictly(options(&scratch.0)).expect("the file is sound");
        let rows = store.bindings().wait().unwrap();
        let keys: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        for number in 0..=acknowledged {
            assert!(keys.contains(format!("{number:08}").as_str()), "row {number} of {acknowledged} is lost");
        }
        store.close();
    }
    assert!(acknowledged > 500, "{acknowledged}");
}

fn start_writer(directory: &std::path::Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shell::store::crash_tests::every_acknowledged_row_survives_kill_9", "--nocapture"])
        .env(WRITER, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The next number the writer printed; `None` when it is dead. The last line may be cut.
pub(in crate::shell) fn next_number(lines: &mut impl BufRead) -> Option<u64> {
    loop {
        let mut line = String::new();
        if lines.by_ref().take(4096).read_line(&mut line).ok()? == 0 || !line.ends_with('\n') {
            return None;
        }
        if let Some(number) = line.trim().strip_prefix("durable ") {
            return number.parse().ok();
        }
    }
}

fn write_until_killed(directory: &std::path::Path) -> ! {
    let store = Store::open_strictly(options(directory)).unwrap();
    let mut number = u64::try_from(store.bindings().wait().unwrap().len()).unwrap();
    let mut out = std::io::stdout();
    loop {
        let batch: Vec<_> = (number..number + 5)
            .map(|n| (n, store.write(Write::PutBinding(binding("1001", &format!("{n:08}"))))))
            .collect();
        for (n, receipt) in batch {
            receipt.wait().unwrap();
            writeln!(out, "durable {n}").unwrap();
            out.flush().unwrap();
        }
        number += 5;
    }
}
