//! The daemon's end of the control socket.
//!
//! Bounded: eight clients at once, a line in and a line out within five seconds each.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tracing::warn;

use super::{ControlQuery, ControlReply, ControlRequest};

/// Longest request, in bytes.
pub const LONGEST_REQUEST: u64 = 4096;
/// Longest reply, in bytes: room for every registration of a large office.
pub const LONGEST_REPLY: u64 = 64 << 20;
/// Clients at once; others wait.
const CLIENTS: usize = 8;
/// For reading a request, getting its answer, and writing that.
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket, bound and not yet served.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlServer {
    /// Binds the socket at `path`, in place of one left by a crash. Must be called within the runtime.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon answers there"));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves until dropped. Requests go to `queries`; while that is full or gone, they are refused.
    pub async fn serve(self, queries: mpsc::Sender<ControlQuery>) {
        let seats = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let Ok(seat) = seats.clone().acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let queries = queries.clone();
                    tokio::spawn(async move {
                        let _ = timeout(PATIENCE * 3, attend(stream, &queries)).await;
                        drop(seat);
                    });
                }
                Err(error) => {
                    warn!(reason = "control-accept", "the control socket: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn attend(mut stream: UnixStream, queries: &mpsc::Sender<ControlQuery>) -> io::Result<()> {
    let mut line = String::new();
    let (reading, mut writing) = stream.split();
    let mut reading = BufReader::new(reading.take(LONGEST_REQUEST));
    timeout(PATIENCE, reading.read_line(&mut line)).await??;
    let reply = match serde_json::from_str::<ControlRequest>(&line) {
        Ok(request) => ask(request, queries).await,
        Err(error) => ControlReply::Refused(format!("not a request: {error}")),
    };
    let mut bytes = serde_json::to_vec(&reply)?;
    bytes.push(b'\n');
    timeout(PATIENCE, writing.write_all(&bytes)).await?
}

async fn ask(request: ControlRequest, queries: &mpsc::Sender<ControlQuery>) -> ControlReply {
    let (reply, answer) = oneshot::channel();
    if queries.try_send(ControlQuery { request, reply }).is_err() {
        return ControlReply::Refused("the daemon is too busy to answer".to_owned());
    }
    match timeout(PATIENCE, answer).await {
        Ok(Ok(reply)) => reply,
        _ => ControlReply::Refused("the daemon did not answer in time".to_owned()),
    }
}
