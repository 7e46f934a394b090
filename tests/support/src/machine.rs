//! A container with a real systemd, as `scripts/systemd-root` boots it.
//!
//! It has a network of its own, and runs what is put into its file tree before the boot. It ends with the test,
//! however the test ends: the script stops it when our end of its standard input is closed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use crate::asterisk::script;
use crate::process::Scratch;
use crate::{Failure, Outcome};

/// Longest stop: systemd's own, and what the script does after it.
const STOP: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// The files of a machine that is not booted yet.
#[derive(Debug)]
pub struct Tree {
    scratch: Scratch,
}

/// A booted machine.
#[derive(Debug)]
pub struct Machine {
    scratch: Scratch,
    supervisor: Child,
    input: Option<ChildStdin>,
    init: u32,
    booted_in: Duration,
}

impl Tree {
    /// An empty one: only the root's own files.
    pub fn new(name: &str) -> Outcome<Self> {
        let scratch = Scratch::new(name)?;
        fs::create_dir(scratch.join("tree"))?;
        Ok(Self { scratch })
    }

    /// Puts a file with this text at an absolute path of the machine.
    pub fn write(&self, path: &str, text: &str) -> Outcome {
        fs::write(self.place(path)?, text)?;
        Ok(())
    }

    /// Puts a file of ours, with its mode, at an absolute path of the machine.
    pub fn copy(&self, from: &Path, path: &str) -> Outcome {
        let place = self.place(path)?;
        let copied = fs::hard_link(from, &place).or_else(|_| fs::copy(from, &place).map(drop));
        copied.map_err(|error| Failure::new(format!("{}: {error}", from.display())))
    }

    /// Sets the mode of a file that was put there.
    pub fn set_mode(&self, path: &str, mode: u32) -> Outcome {
        fs::set_permissions(self.place(path)?, fs::Permissions::from_mode(mode))?;
        Ok(())
    }

    /// Boots a machine with these files.
    pub fn boot(self) -> Outcome<Machine> {
        let began = Instant::now();
        let mut supervisor = Command::new(script("systemd-root"))
            .arg("boot")
            .arg(self.scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let input = supervisor.stdin.take();
        let mut said = String::new();
        if let Some(output) = supervisor.stdout.take() {
            BufReader::new(output).read_line(&mut said)?;
        }
        let init = said.strip_prefix("init ").and_then(|pid| pid.trim().parse().ok());
        let Some(init) = init else {
            drop(input);
            let _ = supervisor.wait();
            let mut why = String::new();
            if let Some(mut errors) = supervisor.stderr.take() {
                let _ = errors.read_to_string(&mut why);
            }
            return Err(Failure::new(format!("no machine was booted: {why}")));
        };
        let booted_in = began.elapsed();
        Ok(Machine { scratch: self.scratch, supervisor, input, init, booted_in })
    }

    fn place(&self, path: &str) -> Outcome<PathBuf> {
        let place = self.scratch.join("tree").join(path.trim_start_matches('/'));
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(place)
    }
}

impl Machine {
    /// How long it took from the start of the script until systemd had nothing left to start.
    pub fn booted_in(&self) -> Duration {
        self.booted_in
    }

    /// The pid of its init, in our numbers.
    pub fn init(&self) -> u32 {
        self.init
    }

    /// Our number of a process that the machine knows as `inner`.
    pub fn outer_pid(&self, inner: &str) -> Outcome<u32> {
        let space = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = space(&self.init.to_string());
        for entry in fs::read_dir("/proc")? {
            let pid = entry?.file_name().to_string_lossy().into_owned();
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
            if numbers.split_whitespace().last() == Some(inner) && space(&pid) == own {
                return Ok(pid.parse()?);
            }
        }
        Err(Failure::new(format!("the machine has no process {inner}")))
    }

    /// Runs a command inside; its standard output. A command that fails is a failure with all it said.
    pub fn run(&self, command: &[&str]) -> Outcome<String> {
        let output = self.output(command)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Failure::new(format!("{command:?}: {}\n{}", output.status, words(&output))))
    }

    /// Runs a command inside, whatever comes of it.
    pub fn output(&self, command: &[&str]) -> Outcome<Output> {
        let mut nsenter = self.nsenter(&["--all"]);
        Ok(nsenter.args(command).stdin(Stdio::null()).output()?)
    }

    /// A command of ours in its network, not started yet.
    pub fn in_network(&self, program: &str) -> Command {
        let mut nsenter = self.nsenter(&["--net"]);
        nsenter.arg(program);
        nsenter
    }

    /// Runs a script of ours in its network: whatever socket the script opens is one of the machine's.
    pub fn run_in_network<T: Send>(&self, script: impl AsyncFnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        let network = File::open(format!("/proc/{}/ns/net", self.init))?;
        std::thread::scope(|scope| {
            // A network belongs to a thread, and to the threads that it starts.
            let thread = scope.spawn(|| {
                setns(network, CloneFlags::CLONE_NEWNET)?;
                tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(script())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs a command inside until what it prints satisfies `is_right`; that output.
    pub fn run_until(
        &self,
        command: &[&str],
        within: Duration,
        is_right: impl Fn(&str) -> bool,
    ) -> Outcome<String> {
        let began = Instant::now();
        loop {
            let output = self.output(command)?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            if is_right(&said) {
                return Ok(said);
            }
            if began.elapsed() > within {
                let words = words(&output);
                return Err(Failure::new(format!("{command:?} is not right after {within:?}:\n{words}")));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Changes a file while the machine runs.
    pub fn write(&self, path: &str, text: &str) -> Outcome {
        let mut child = self
            .nsenter(&["--all"])
            .args(["/bin/sh", "-c", "cat >\"$0\"", path])
            .stdin(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            std::io::Write::write_all(&mut input, text.as_bytes())?;
        }
        if child.wait()?.success() { Ok(()) } else { Err(Failure::new(format!("cannot write {path}"))) }
    }

    /// Powers it off and waits. What is left of it afterwards is a failure.
    pub fn stop(mut self) -> Outcome {
        let init = self.init;
        self.power_off();
        let mut left = Vec::new();
        if Path::new(&format!("/proc/{init}/root/usr/lib/systemd")).exists() {
            left.push(format!("process {init}"));
        }
        let own = self.scratch.path().to_string_lossy().into_owned();
        left.extend(processes_below(&own)?);
        left.extend(mounts_below(&own)?);
        for entry in fs::read_dir(self.scratch.path())? {
            let name = entry?.file_name();
            if name != "tree" && name != "console.log" {
                left.push(format!("file {}", name.to_string_lossy()));
            }
        }
        let mut errors = String::new();
        if let Some(mut stderr) = self.supervisor.stderr.take() {
            let _ = stderr.read_to_string(&mut errors);
        }
        left.extend(errors.lines().map(str::to_owned));
        if left.is_empty() { Ok(()) } else { Err(Failure::new(format!("left behind: {left:?}"))) }
    }

    fn nsenter(&self, namespaces: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string()]).args(namespaces).arg("--");
        command
    }

    fn power_off(&mut self) {
        drop(self.input.take());
        let began = Instant::now();
        while matches!(self.supervisor.try_wait(), Ok(None)) && began.elapsed() < STOP {
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.power_off();
    }
}

/// All that a command said.
fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Processes whose root directory lies below `path`.
fn processes_below(path: &str) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?.path();
        let root = fs::read_link(entry.join("root")).unwrap_or_default();
        if root.starts_with(path) {
            found.push(format!("{} with root {}", entry.display(), root.display()));
        }
    }
    Ok(found)
}

/// Mounts of ours that lie below `path`: those of the machine are private to it, and end with it.
fn mounts_below(path: &str) -> Outcome<Vec<String>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounts = mounts.lines().filter(|line| line.contains(path));
    Ok(mounts.map(|line| format!("mount {line}")).collect())
}
