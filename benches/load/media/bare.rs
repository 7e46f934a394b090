//! No server: a bare loop of batched receive, cipher, batched send between the ends; or nothing at all.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use branchline::media::srtp::{SrtpProfile, SrtpReceiver, SrtpSender};

use super::traffic::End;
use super::{Hold, SetUp};
use crate::{Case, floor, key};

const CM: SrtpProfile = SrtpProfile::AesCm128HmacSha1_80;

/// The running loop: a thread for each direction.
pub(crate) struct Loop {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Loop {
    pub(crate) fn end(self) -> io::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self.threads.into_iter().all(|thread| thread.join().is_ok());
        if joined { Ok(()) } else { Err(io::Error::other("the bare loop panicked")) }
    }
}

/// Ends whose packets go through the loop: one socket for all protected ends, one for all plain ones.
pub(crate) fn set_up(calls: u16) -> io::Result<SetUp> {
    let sockets = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
    let mut pairs = Vec::new();
    for _ in 0..calls {
        let mut pair = [End::new()?, End::new()?];
        pair[0].to = sockets[0].local_addr()?;
        pair[1].to = sockets[1].local_addr()?;
        pair[0].sender = Some(SrtpSender::new(key(CM, 1)));
        pair[0].receiver = Some(SrtpReceiver::new(key(CM, 2)));
        pairs.push(pair);
    }
    let addresses: Vec<[SocketAddr; 2]> = pairs
        .iter()
        .map(|pair| Ok([pair[0].socket.local_addr()?, pair[1].socket.local_addr()?]))
        .collect::<io::Result<_>>()?;
    let forth: Vec<_> = addresses.iter().map(|[secure, plain]| (*secure, *plain)).collect();
    let back: Vec<_> = addresses.iter().map(|[secure, plain]| (*plain, *secure)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let [secure, plain] = &sockets;
    let threads = vec![
        spawn(Case { from: Some(CM), to: None }, [secure, plain], forth, &stop)?,
        spawn(Case { from: None, to: Some(CM) }, [plain, secure], back, &stop)?,
    ];
    Ok(SetUp { pairs, hold: Hold::Bare(Loop { stop, threads }), memory: 0 })
}

/// Ends that send to each other: what the machine and the generator take by themselves.
pub(crate) fn without_relay(calls: u16) -> io::Result<SetUp> {
    let mut pairs = Vec::new();
    for _ in 0..calls {
        let mut pair = [End::new()?, End::new()?];
        pair[0].to = pair[1].socket.local_addr()?;
        pair[1].to = pair[0].socket.local_addr()?;
        pairs.push(pair);
    }
    Ok(SetUp { pairs, hold: Hold::Nothing, memory: 0 })
}

fn spawn(
    case: Case,
    [input, output]: [&UdpSocket; 2],
    routes: Vec<(SocketAddr, SocketAddr)>,
    stop: &Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    let sockets = [input.try_clone()?, output.try_clone()?];
    let (stop, relayed) = (Arc::clone(stop), Arc::new(AtomicU64::new(0)));
    let relay = move || floor::run(&case, sockets, &routes, &stop, &relayed);
    thread::Builder::new().name("floor".to_owned()).spawn(relay)
}
