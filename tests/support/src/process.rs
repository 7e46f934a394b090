//! Child processes that end with the test, however it ends.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::{Failure, Outcome};

const POLL: Duration = Duration::from_millis(20);

/// A running child with a process group of its own; dropped, the whole group is killed.
///
/// It is also killed when the thread that started it dies, so that a test killed from outside leaves nothing.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// The command, run so that it dies with the thread that starts it.
pub fn dying_with_us(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).process_group(0);
    command
}

impl Process {
    /// Starts a command made by [`dying_with_us`]; its output goes to the file `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Outcome<Self> {
        let file = File::create(log).map_err(|e| Failure::new(format!("{}: {e}", log.display())))?;
        command.stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().map_err(|e| Failure::new(format!("cannot start {name}: {e}")))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// The same with standard input to write to.
    pub fn start_with_input(name: &str, mut command: Command, log: &Path) -> Outcome<Self> {
        command.stdin(Stdio::piped());
        Self::start(name, command, log)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, once.
    pub fn take_input(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until its output contains `text`; returns the output up to then.
    pub async fn wait_for_log(&mut self, text: &str, within: Duration) -> Outcome<String> {
        let start = Instant::now();
        loop {
            let log = self.log();
            if log.contains(text) {
                return Ok(log);
            }
            if !self.is_running() || start.elapsed() > within {
                return Err(self.failure(&format!("no {text:?} in its output within {within:?}")));
            }
            sleep(POLL).await;
        }
    }

    /// Waits until it ends by itself.
    pub async fn wait_for_exit(&mut self, within: Duration) -> Outcome<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > within {
                return Err(self.failure(&format!("still running after {within:?}")));
            }
            sleep(POLL).await;
        }
    }

    /// Sends a signal by name, such as `TERM`, to this process alone.
    pub fn signal(&self, signal: &str) -> Outcome {
        run_kill(signal, &self.pid().to_string())
    }

    /// Asks it to end, and waits.
    pub async fn terminate(&mut self, within: Duration) -> Outcome<ExitStatus> {
        if self.is_running() {
            self.signal("TERM")?;
        }
        self.wait_for_exit(within).await
    }

    /// Kills it and its group at once.
    pub fn kill(&mut self) {
        if self.is_running() {
            let _ = run_kill("KILL", &format!("-{}", self.pid()));
        }
        let _ = self.child.wait();
    }

    /// A failure that shows the end of its output.
    pub fn failure(&self, why: &str) -> Failure {
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        Failure::new(format!("{} ({}): {why}\n{}", self.name, self.log.display(), tail.join("\n")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to a process, or to a group if the number is negative. By the shell, whose `kill` is built in.
fn run_kill(signal: &str, target: &str) -> Outcome {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "kill -s \"$0\" -- \"$1\"", signal, target]);
    let status = command.stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("cannot send {signal} to {target}"))) }
}

/// Threads of another process that stand still until this is dropped.
///
/// They are traced by a thread of ours, which is what holds them; their process is left to end as it will.
#[derive(Debug)]
pub struct Frozen {
    release: Option<Sender<()>>,
    tracer: Option<std::thread::JoinHandle<()>>,
}

/// Stops the threads called `name` of the process `pid`, and no others of it. Needs root.
pub fn freeze_threads(pid: u32, name: &str) -> Outcome<Frozen> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        if std::fs::read_to_string(entry.path().join("comm"))?.trim_end() == name {
            threads.push(Pid::from_raw(entry.file_name().to_string_lossy().parse()?));
        }
    }
    if threads.is_empty() {
        return Err(Failure::new(format!("process {pid} has no thread {name}")));
    }
    let (release, released) = channel();
    let (said, outcome) = channel();
    let tracer = std::thread::spawn(move || {
        let held = threads.iter().try_for_each(|thread| attach(*thread));
        let is_held = held.is_ok();
        let _ = said.send(held);
        if is_held {
            hold(threads, &released);
        }
    });
    outcome.recv()??;
    Ok(Frozen { release: Some(release), tracer: Some(tracer) })
}

fn attach(thread: Pid) -> nix::Result<()> {
    ptrace::attach(thread)?;
    waitpid(thread, Some(WaitPidFlag::__WALL)).map(drop)
}

/// Holds the threads until told to release them or until they are dead. Their process can only end once the tracer
/// has seen the end of each of them.
fn hold(mut threads: Vec<Pid>, released: &Receiver<()>) {
    let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
    while !threads.is_empty() && released.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
        threads.retain(|thread| matches!(waitpid(*thread, Some(flags)), Ok(WaitStatus::StillAlive)));
    }
    for thread in threads {
        let _ = ptrace::detach(thread, None);
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(tracer) = self.tracer.take() {
            let _ = tracer.join();
        }
    }
}

/// A directory of a test, removed when dropped unless the test failed (then its path is printed).
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new empty directory that anybody may enter (peers drop root).
    pub fn new(name: &str) -> Outcome<Self> {
        let unique = format!("bl-{name}-{}-{}", std::process::id(), nanoseconds());
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

fn nanoseconds() -> u32 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_process_is_gone_with_its_children() {
        let scratch = Scratch::new("process").unwrap();
        let mut command = dying_with_us(Path::new("/bin/sh"));
        command.args(["-c", "sleep 1000 & echo child $!; wait"]);
        let mut process = Process::start("sh", command, &scratch.join("log")).unwrap();
        let log = process.wait_for_log("child ", Duration::from_secs(5)).await.unwrap();
        let child = log.split_whitespace().nth(1).unwrap().to_owned();
        assert!(Path::new(&format!("/proc/{child}")).exists());
        drop(process);
        sleep(Duration::from_millis(100)).await;
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
}
