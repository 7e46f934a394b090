//! The packets: sent on time by both ends of every call, their way measured by a timestamp in the payload.
//!
//! One thread does it all. The time of arrival is the kernel's, so that a reader who is late does not count.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use branchline::media::end::PayloadType;
use branchline::media::packet::Packet;
use branchline::media::rtp::{FIXED_HEADER, RtpHeader, Ssrc};
use branchline::media::srtp::{SrtpReceiver, SrtpSender};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use super::Pair;
use super::browser::Browser;

const PACKET_TIME: Duration = Duration::from_millis(20);
/// The ends take turns within the 20 ms, as calls do that began at different times.
const GROUPS: usize = 20;
const PAYLOAD: usize = 160;
/// Before the window that is measured: addresses are learnt, caches warm.
const WARM_UP: u32 = 50;

/// One side of a call, as the phone has it.
pub(crate) struct End {
    pub(crate) socket: UdpSocket,
    /// Held so that nobody is told that the port is closed.
    _rtcp: UdpSocket,
    pub(crate) to: SocketAddr,
    pub(crate) sender: Option<SrtpSender>,
    pub(crate) receiver: Option<SrtpReceiver>,
    /// A browser answers STUN in mid-call.
    pub(crate) browser: Option<Browser>,
}

impl End {
    /// A plain end that listens on an even port and the next, and does not know yet where to send.
    pub(crate) fn new() -> io::Result<Self> {
        let (socket, rtcp) = pair()?;
        let to = socket.local_addr()?;
        Ok(Self { socket, _rtcp: rtcp, to, sender: None, receiver: None, browser: None })
    }

    /// Its port.
    pub(crate) fn port(&self) -> io::Result<u16> {
        self.socket.local_addr().map(|address| address.port())
    }
}

/// What was measured.
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) cpu: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// How late the sender itself was at worst.
    pub(crate) late_ms: f64,
}

struct Traffic<'a> {
    ends: Vec<&'a mut End>,
    epoll: Epoll,
    sent: u64,
    delays: Vec<u32>,
    /// Packets with a number below this do not count.
    counted_from: u32,
}

/// Sends for `seconds` after a warm-up of one; `spent` gives the server's processor time so far.
pub(crate) fn run(pairs: &mut [Pair], seconds: u32, spent: impl Fn() -> f64) -> io::Result<Outcome> {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    let ends: Vec<&mut End> = pairs.iter_mut().flatten().collect();
    for (position, end) in ends.iter().enumerate() {
        setsockopt(&end.socket, sockopt::ReceiveTimestampns, &true)?;
        epoll.add(&end.socket, EpollEvent::new(EpollFlags::EPOLLIN, position as u64))?;
    }
    let mut traffic = Traffic { ends, epoll, sent: 0, delays: Vec::new(), counted_from: WARM_UP };
    let (start, mut late, mut cpu) = (Instant::now(), Duration::ZERO, 0.0);
    for sequence in 0..WARM_UP + seconds * 50 {
        if sequence == WARM_UP {
            cpu = spent();
        }
        for group in 0..GROUPS {
            let due = start + PACKET_TIME * sequence + PACKET_TIME * group as u32 / GROUPS as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            late = late.max(due.elapsed());
            traffic.send_group(group, sequence)?;
            traffic.receive()?;
        }
    }
    let cpu = spent() - cpu;
    // What is still under way.
    for _ in 0..10 {
        thread::sleep(PACKET_TIME);
        traffic.receive()?;
    }
    Ok(traffic.outcome(cpu, late))
}

impl Traffic<'_> {
    fn send_group(&mut self, group: usize, sequence: u32) -> io::Result<()> {
        for position in (group..self.ends.len()).step_by(GROUPS) {
            let end = &mut *self.ends[position];
            let (header, mut packet) = packet(position as u32, sequence);
            if let Some(sender) = &mut end.sender {
                sender
                    .protect_rtp(&mut packet, &header)
                    .map_err(|why| io::Error::other(format!("{why:?}")))?;
            }
            let is_sent = end.socket.send_to(packet.as_slice(), end.to).is_ok();
            self.sent += u64::from(is_sent && sequence >= self.counted_from);
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        loop {
            let mut events = [EpollEvent::empty(); 64];
            let ready = self.epoll.wait(&mut events, EpollTimeout::ZERO)?;
            for event in &events[..ready] {
                let position = event.data() as usize;
                while let Some((mut packet, from, arrived)) = receive_one(&self.ends[position].socket)? {
                    if let Some(delay) = self.read(position, &mut packet, from, arrived) {
                        self.delays.push(delay);
                    }
                }
            }
            if ready < events.len() {
                return Ok(());
            }
        }
    }

    /// How long a packet was under way, in nanoseconds; `None` if it does not count.
    fn read(&mut self, position: usize, packet: &mut Packet, from: SocketAddr, arrived: u64) -> Option<u32> {
        let end = &mut *self.ends[position];
        let first = *packet.as_slice().first()?;
        if !(128..192).contains(&first) {
            if let Some(browser) = &mut end.browser {
                browser.handle(&end.socket, from, packet.as_slice());
            }
            return None;
        }
        // RTCP on the same port (RFC 5761).
        if (192..224).contains(packet.as_slice().get(1)?) {
            return None;
        }
        let header = RtpHeader::parse(packet.as_slice())?;
        if let Some(receiver) = &mut end.receiver {
            receiver.unprotect_rtp(packet, &header).ok()?;
        }
        let payload = header.payload(packet.as_slice())?;
        let number = |at: usize| Some(u64::from_le_bytes(payload.get(at..at + 8)?.try_into().ok()?));
        if number(8)? < u64::from(self.counted_from) {
            return None;
        }
        u32::try_from(arrived.saturating_sub(number(0)?)).ok()
    }

    fn outcome(mut self, cpu: f64, late: Duration) -> Outcome {
        self.delays.sort_unstable();
        let at = |part: usize| {
            let position = self.delays.len() * part / 100;
            self.delays.get(position).map_or(0.0, |nanos| f64::from(*nanos) / 1000.0)
        };
        Outcome {
            sent: self.sent,
            received: self.delays.len() as u64,
            cpu,
            p50_us: at(50),
            p99_us: at(99),
            late_ms: late.as_secs_f64() * 1000.0,
        }
    }
}

/// A packet that says when it was sent and which it is.
fn packet(ssrc: u32, sequence: u32) -> (RtpHeader, Packet) {
    let header = RtpHeader {
        padding: false,
        marker: sequence == 0,
        payload_type: PayloadType::new(0).expect("invariant: below 128"),
        sequence: sequence as u16,
        timestamp: sequence * 160,
        ssrc: Ssrc(ssrc + 1),
        payload_offset: FIXED_HEADER,
    };
    let mut payload = [0x55; PAYLOAD];
    payload[..8].copy_from_slice(&now().to_le_bytes());
    payload[8..16].copy_from_slice(&u64::from(sequence).to_le_bytes());
    let mut packet = Packet::new();
    packet.fill(&header.to_bytes());
    packet.extend(&payload);
    (header, packet)
}

/// Nanoseconds on the clock that the kernel stamps packets with.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

/// The next packet, who sent it, and when it came.
fn receive_one(socket: &UdpSocket) -> io::Result<Option<(Packet, SocketAddr, u64)>> {
    let mut packet = Packet::new();
    let mut control = cmsg_space!(TimeSpec);
    let mut space = [IoSliceMut::new(packet.space())];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = match recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut space, Some(&mut control), flags) {
        Ok(message) => message,
        Err(Errno::EAGAIN | Errno::ECONNREFUSED) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let arrived = message.cmsgs()?.find_map(|one| match one {
        ControlMessageOwned::ScmTimestampns(time) => {
            let nanos = i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec());
            u64::try_from(nanos).ok()
        }
        _ => None,
    });
    let from = message.address.map(|from| SocketAddr::V4(from.into()));
    let length = message.bytes;
    packet.received(length);
    Ok(from.map(|from| (packet, from, arrived.unwrap_or_else(now))))
}

/// Two sockets on neighbouring ports, the first one even (RFC 3550 §11).
fn pair() -> io::Result<(UdpSocket, UdpSocket)> {
    loop {
        let first = UdpSocket::bind("127.0.0.1:0")?;
        let port = first.local_addr()?.port();
        if port % 2 == 1 {
            continue;
        }
        if let Ok(second) = UdpSocket::bind(("127.0.0.1", port + 1)) {
            return Ok((first, second));
        }
    }
}
