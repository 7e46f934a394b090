//! `update`: what it takes to update a box is the image's to know, so the configuration names a program that does.
//!
//! The program gets the request's document on its standard input and nothing else: no arguments, no environment but `PATH`.
//! Whoever may publish at the broker may send a request, so it is for the program to verify what it installs. It may end the
//! daemon: the next one compares versions, and says `successful` if its own is another.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long the program may take.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How much of what it says last is kept, in bytes.
const KEPT: usize = 1024;
/// How long its last words may take after its end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the program, and waits for it. Blocks. What it said last, or why it failed.
pub(super) fn run(program: &Path, document: &[u8]) -> Result<Value, String> {
    run_within(program, document, PATIENCE)
}

fn run_within(program: &Path, document: &[u8], patience: Duration) -> Result<Value, String> {
    let spawned = Command::new(program)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
    let (said, complained) = (tail(child.stdout.take()), tail(child.stderr.take()));
    if let Some(mut input) = child.stdin.take() {
        let document = document.to_vec();
        // A program that does not read must not hold us up; one that is gone has its own reasons.
        std::thread::spawn(move || drop(input.write_all(&document)));
    }
    let status = wait(&mut child, patience)?;
    let words = |receiver: &Receiver<String>| receiver.recv_timeout(LAST_WORDS).unwrap_or_default();
    if status.success() {
        return Ok(json!({ "said": words(&said), "version": env!("CARGO_PKG_VERSION") }));
    }
    let last = words(&complained);
    let last = last.lines().last().unwrap_or_default().trim();
    Err(format!("the update program ended with {status}: {last}"))
}

fn wait(child: &mut Child, patience: Duration) -> Result<ExitStatus, String> {
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if began.elapsed() < patience => std::thread::sleep(LOOK),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the update program did not end within {} s", patience.as_secs()));
            }
            Err(error) => return Err(format!("the update program cannot be waited for: {error}")),
        }
    }
}

/// Reads all that comes, keeps the last of it, and gives it when there is no more.
fn tail(source: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (give, receiver) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut piece = [0; KEPT];
        if let Some(mut source) = source {
            while let Ok(read @ 1..) = source.read(&mut piece) {
                kept.extend_from_slice(piece.get(..read).unwrap_or_default());
                let surplus = kept.len().saturating_sub(KEPT);
                kept.drain(..surplus);
            }
        }
        let _ = give.send(String::from_utf8_lossy(&kept).trim().to_owned());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    /// A directory of its own, which goes with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("bl-update-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn program(directory: &Scratch, name: &str, script: &str) -> PathBuf {
        let path = directory.0.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    #[test]
    fn the_program_reads_the_request_and_its_last_words_are_the_result() {
        let directory = Scratch::new("said");
        let result =
            run(&program(&directory, "reads", "read line; echo \"got $line\""), b"{\"v\":1}\n").unwrap();
        assert_eq!(result["said"], "got {\"v\":1}");
    }

    #[test]
    fn why_it_failed_is_what_it_said_last() {
        let directory = Scratch::new("failed");
        let script = "echo one >&2; echo 'the image is not signed' >&2; exit 3";
        let reason = run(&program(&directory, "fails", script), b"").unwrap_err();
        assert!(reason.contains("exit status: 3") && reason.ends_with("the image is not signed"), "{reason}");
        let reason = run(&directory.0.join("nothing"), b"").unwrap_err();
        assert!(reason.contains("cannot be run"), "{reason}");
    }

    #[test]
    fn one_that_does_not_end_is_ended_and_a_flood_of_words_is_cut() {
        let directory = Scratch::new("stuck");
        let stuck = program(&directory, "stuck", "exec sleep 60");
        let reason = run_within(&stuck, b"", Duration::from_millis(200)).unwrap_err();
        assert!(reason.contains("did not end"), "{reason}");
        let flood = program(
            &directory,
            "flood",
            "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo done",
        );
        let result = run(&flood, b"").unwrap();
        let said = result["said"].as_str().unwrap();
        assert!(said.len() <= KEPT && said.ends_with("done"));
    }
}
