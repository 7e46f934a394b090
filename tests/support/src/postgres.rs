//! A real PostgreSQL: a cluster of its own, with TLS and a password, run by a user who is not root.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::certs::Authority;
use crate::process::{Process, Scratch};
use crate::{Failure, Outcome, ports, require_program};

const GROUP: &str = "postgresql";
/// Whom Debian's package makes; PostgreSQL refuses to run as root.
const USER: &str = "postgres";
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
const PASSWORD: &str = "a-password-of-the-tests";

/// A server, which may be killed and started again on the same port; what it had on disk stays.
pub struct Postgres {
    directory: PathBuf,
    programs: PathBuf,
    port: u16,
    starts: u32,
    process: Option<Process>,
}

impl Postgres {
    /// Makes a cluster below `scratch`, with a certificate of `authority` for this machine, and starts it.
    pub async fn start(scratch: &Scratch, authority: &Authority) -> Outcome<Self> {
        let directory = scratch.join("postgresql");
        fs::create_dir_all(&directory)?;
        let port = ports::free_port(std::net::Ipv4Addr::LOCALHOST.into())?;
        let mut server = Self { directory, programs: programs()?, port, starts: 0, process: None };
        server.prepare(authority)?;
        server.run().await?;
        Ok(server)
    }

    /// Starts it, or starts it again.
    pub async fn run(&mut self) -> Outcome {
        self.starts += 1;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-c", &format!("port={}", self.port)]);
        let log = self.directory.join(format!("server-{}.log", self.starts));
        let mut process = Process::start("postgres", command, &log)?;
        process.wait_for_log("ready to accept connections", START).await?;
        self.process = Some(process);
        Ok(())
    }

    /// `kill -9` of the server; its workers, which are no group of its own, notice and end.
    pub fn kill(&mut self) {
        self.process = None;
        self.wait_for_workers();
    }

    /// Where it is, without its password.
    pub fn url(&self) -> String {
        format!("postgres://branchline@127.0.0.1:{}/postgres", self.port)
    }

    /// The file with its password, for its owner alone.
    pub fn password(&self) -> PathBuf {
        self.directory.join("password")
    }

    /// What that file says.
    pub const fn secret() -> &'static str {
        PASSWORD
    }

    /// The answer to a statement, as text.
    pub fn ask(&self, sql: &str) -> Outcome<String> {
        let mut command = Command::new(require_program("psql", GROUP)?);
        command.env("PGPASSWORD", PASSWORD).args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        let output = command.args(["-d", &self.url(), "-c", sql]).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(Failure::new(format!("{sql}: {}", String::from_utf8_lossy(&output.stderr))))
    }

    fn prepare(&self, authority: &Authority) -> Outcome {
        let password = self.password();
        fs::write(&password, format!("{PASSWORD}\n"))?;
        give(&self.directory)?;
        give(&password)?;
        let mut command = self.command("initdb");
        command.arg("-D").arg(self.data()).arg("--pwfile").arg(&password);
        command.args(["-U", "branchline", "--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]);
        let output = command.output()?;
        if !output.status.success() {
            return Err(Failure::new(format!("initdb: {}", String::from_utf8_lossy(&output.stderr))));
        }
        // The controller reads it as whoever runs the tests.
        chown(&password, Some(nix::unistd::geteuid().as_raw()), None)?;
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600))?;
        let own = authority.issue("postgres", &["127.0.0.1", "localhost"])?;
        for (from, name) in [(&own.certificate, "server.crt"), (&own.key, "server.key")] {
            let file = self.data().join(name);
            fs::copy(from, &file)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
            give(&file)?;
        }
        let settings =
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nssl = on\nmax_connections = 60\n";
        fs::write(self.data().join("postgresql.auto.conf"), settings)?;
        fs::write(self.data().join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n")?;
        Ok(())
    }

    /// Every process of a server lives in its data's directory.
    fn wait_for_workers(&self) {
        let (end, data) = (Instant::now() + START, self.data());
        let lives_there =
            |process: fs::DirEntry| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == data);
        while fs::read_dir("/proc").into_iter().flatten().flatten().any(lives_there) && Instant::now() < end {
            std::thread::sleep(POLL);
        }
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// A program of PostgreSQL, which dies with the thread that starts it.
    fn command(&self, program: &str) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new("setpriv");
        if nix::unistd::geteuid().is_root() {
            command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(self.programs.join(program));
        command.current_dir(&self.directory).process_group(0);
        command
    }
}

impl Drop for Postgres {
    /// Ends it in its own way, so that it takes its shared memory along.
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            let _ = process.signal("INT");
            self.wait_for_workers();
        }
    }
}

/// To the user who runs the server.
fn give(file: &Path) -> Outcome {
    if nix::unistd::geteuid().is_root() {
        let user = nix::unistd::User::from_name(USER)?;
        let user = user.ok_or_else(|| Failure::new(format!("there is no user {USER}")))?;
        chown(file, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    Ok(())
}

/// Debian keeps the server's programs out of everybody's path, by version.
fn programs() -> Outcome<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        installed.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").is_file()).max();
    newest.ok_or_else(|| {
        Failure::new(format!("PostgreSQL is not installed; run `scripts/prerequisites {GROUP}`"))
    })
}
