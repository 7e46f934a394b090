//! A phone's RTP: a packet every 20 ms with a tone in it, and everything that comes in kept for measuring.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::heard::{Heard, Packet};
use super::line::random;
use super::sdp::{Codec, TELEPHONE_EVENT};
use crate::tone::Oscillator;
use crate::{Failure, Outcome, ports};

const RATE: u32 = 8_000;
const PACKET: Duration = Duration::from_millis(20);
const SAMPLES: usize = 160;
const DIGITS: &[u8] = b"0123456789*#ABCD";
/// The keys by row and column, and the frequencies of these in Hz (ITU-T Q.23).
const KEYPAD: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
const LOW_TONES: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_TONES: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// A digit lasts five packets, and as many go by before the next.
const DIGIT_PACKETS: u32 = 5;

/// One media stream: its sockets, what it sends, what it has received.
pub struct Media {
    local: SocketAddr,
    shared: Arc<Shared>,
    /// Held so that RTCP to the neighbouring port meets no closed door.
    _rtcp: UdpSocket,
}

struct Shared {
    socket: UdpSocket,
    stopped: AtomicBool,
    outgoing: Mutex<Outgoing>,
    received: Mutex<Received>,
    sent: Mutex<Vec<Instant>>,
}

#[derive(Debug)]
struct Outgoing {
    remote: Option<SocketAddr>,
    codec: Codec,
    sending: bool,
    tone: Option<Oscillator>,
    /// The tones of the key that is held.
    key: Option<[Oscillator; 2]>,
    telephone_event: u8,
    digits: VecDeque<u8>,
    /// Every so many packets, one is lost; 0 for none.
    lose_every: u16,
}

#[derive(Default)]
struct Received {
    packets: Vec<Packet>,
    digits: String,
    last_event: Option<u32>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Media {
    /// Opens an even port on this address, and starts the two threads.
    pub(super) fn open(address: IpAddr) -> Outcome<Self> {
        let port = ports::free_block(address, 2)?;
        let socket = UdpSocket::bind((address, port))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let shared = Arc::new(Shared {
            socket,
            stopped: AtomicBool::new(false),
            outgoing: Mutex::new(Outgoing {
                remote: None,
                codec: Codec::Pcmu,
                sending: false,
                tone: None,
                key: None,
                telephone_event: TELEPHONE_EVENT,
                digits: VecDeque::new(),
                lose_every: 0,
            }),
            received: Mutex::default(),
            sent: Mutex::default(),
        });
        let (sender, receiver) = (Arc::clone(&shared), Arc::clone(&shared));
        thread::Builder::new().name("rtp-out".into()).spawn(move || sender.send_until_stopped())?;
        thread::Builder::new().name("rtp-in".into()).spawn(move || receiver.receive_until_stopped())?;
        Ok(Self { local: (address, port).into(), shared, _rtcp: UdpSocket::bind((address, port + 1))? })
    }

    /// Where this phone receives RTP.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Where this phone sends RTP, once the far end has said it.
    pub fn remote(&self) -> Option<SocketAddr> {
        locked(&self.shared.outgoing).remote
    }

    /// The codec in which this phone sends.
    pub fn codec(&self) -> Codec {
        locked(&self.shared.outgoing).codec
    }

    /// What offer and answer settled.
    pub(super) fn settle(
        &self,
        remote: Option<SocketAddr>,
        codec: Codec,
        telephone_event: Option<u8>,
        sending: bool,
    ) {
        let mut outgoing = locked(&self.shared.outgoing);
        outgoing.remote = remote;
        outgoing.codec = codec;
        outgoing.sending = sending;
        outgoing.telephone_event = telephone_event.unwrap_or(TELEPHONE_EVENT);
    }

    /// Sends this tone at -10 dBFS from now on.
    pub fn send_tone(&self, hz: f64) {
        locked(&self.shared.outgoing).tone = Some(Oscillator::new(hz, -10.0, RATE));
    }

    /// Sends silence from now on.
    pub fn send_silence(&self) {
        locked(&self.shared.outgoing).tone = None;
    }

    /// Stops or resumes sending packets at all, without saying so in signalling.
    pub fn set_sending(&self, sending: bool) {
        locked(&self.shared.outgoing).sending = sending;
    }

    /// From now on one of `count` packets is lost on its way out; 0 ends that.
    pub fn lose_every(&self, count: u16) {
        locked(&self.shared.outgoing).lose_every = count;
    }

    /// Sends these digits as RFC 4733 events; returns when the last has been sent.
    pub async fn send_digits(&self, digits: &str) -> Outcome {
        let codes: Option<Vec<u8>> =
            digits.bytes().map(|d| DIGITS.iter().position(|known| *known == d).map(|at| at as u8)).collect();
        let codes = codes.ok_or_else(|| Failure::new(format!("not digits: {digits}")))?;
        let time = PACKET * 2 * DIGIT_PACKETS * codes.len() as u32;
        locked(&self.shared.outgoing).digits.extend(codes);
        tokio::time::sleep(time + PACKET * 2 * DIGIT_PACKETS).await;
        Ok(())
    }

    /// Sends these digits as tones in the audio; returns when the last has been sent.
    pub async fn dial_tones(&self, digits: &str) -> Outcome {
        for digit in digits.chars() {
            let place = KEYPAD.iter().enumerate().find_map(|(row, keys)| Some((row, keys.find(digit)?)));
            let (row, column) = place.ok_or_else(|| Failure::new(format!("not digits: {digits}")))?;
            let key = [LOW_TONES[row], HIGH_TONES[column]].map(|hz| Oscillator::new(hz, -13.0, RATE));
            locked(&self.shared.outgoing).key = Some(key);
            tokio::time::sleep(PACKET * DIGIT_PACKETS).await;
            locked(&self.shared.outgoing).key = None;
            tokio::time::sleep(PACKET * DIGIT_PACKETS).await;
        }
        Ok(())
    }

    /// The digits received as RFC 4733 events so far.
    pub fn digits(&self) -> String {
        locked(&self.shared.received).digits.clone()
    }

    /// How many RTP packets have come in so far.
    pub fn packets_received(&self) -> usize {
        locked(&self.shared.received).packets.len()
    }

    /// Where the last RTP packet came from.
    pub fn heard_from(&self) -> Option<SocketAddr> {
        locked(&self.shared.received).packets.last().map(|packet| packet.from)
    }

    /// Listens for this long and says what there was to hear.
    pub async fn hear(&self, time: Duration) -> Heard {
        let start = Instant::now();
        tokio::time::sleep(time).await;
        self.heard_since(start)
    }

    /// What there was to hear from then until now.
    pub fn heard_since(&self, start: Instant) -> Heard {
        let end = Instant::now();
        let packets: Vec<Packet> = locked(&self.shared.received)
            .packets
            .iter()
            .filter(|p| p.at >= start && p.at <= end)
            .cloned()
            .collect();
        Heard::of(&packets, start, end)
    }

    /// The longest pause between two of this phone's own packets since then: a gap no longer than this is not
    /// the network's.
    pub fn longest_pause_sent(&self, since: Instant) -> Duration {
        let sent = locked(&self.shared.sent);
        sent.windows(2)
            .filter(|pair| pair[0] >= since)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap_or_default()
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }
}

/// The digit being sent.
struct Press {
    code: u8,
    started: u32,
    packets: u32,
}

/// The sender's RTP state.
struct Stream {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    pressed: Option<Press>,
    pause: u32,
}

impl Stream {
    fn packet(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type | if marker { 0x80 } else { 0 }];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&timestamp.to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }

    /// What is sent in this 20 ms: one packet of sound, or an event with its end three times.
    fn next(&mut self, outgoing: &mut Outgoing) -> Vec<Vec<u8>> {
        let now = self.timestamp;
        self.timestamp = now.wrapping_add(SAMPLES as u32);
        if self.pressed.is_none() && self.pause == 0 {
            let code = outgoing.digits.pop_front();
            self.pressed = code.map(|code| Press { code, started: now, packets: 0 });
        }
        let Some(press) = &mut self.pressed else {
            self.pause = self.pause.saturating_sub(1);
            let samples = outgoing.samples();
            let payload: Vec<u8> = samples.into_iter().map(|sample| outgoing.codec.encode(sample)).collect();
            return vec![self.packet(outgoing.codec.payload_type(), false, now, &payload)];
        };
        press.packets += 1;
        let (code, started, count) = (press.code, press.started, press.packets);
        let last = count == DIGIT_PACKETS;
        let duration = (count as u16 * SAMPLES as u16).to_be_bytes();
        let payload = [code, if last { 0x8A } else { 0x0A }, duration[0], duration[1]];
        let times = if last { 3 } else { 1 };
        if last {
            self.pressed = None;
            self.pause = DIGIT_PACKETS;
        }
        (0..times).map(|_| self.packet(outgoing.telephone_event, count == 1, started, &payload)).collect()
    }
}

impl Outgoing {
    /// The next packet's sound: a key, or else the tone, or else silence.
    fn samples(&mut self) -> Vec<i16> {
        match (&mut self.key, &mut self.tone) {
            (Some([low, high]), _) => (0..SAMPLES).map(|_| low.sample() + high.sample()).collect(),
            (None, Some(tone)) => tone.block(SAMPLES),
            (None, None) => vec![0; SAMPLES],
        }
    }
}

impl Shared {
    fn send_until_stopped(&self) {
        let mut stream = Stream {
            ssrc: random() as u32,
            sequence: random() as u16,
            timestamp: random() as u32,
            pressed: None,
            pause: 0,
        };
        let mut due = Instant::now();
        while !self.stopped.load(Ordering::Relaxed) {
            due += PACKET;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let mut outgoing = locked(&self.outgoing);
            let Some(remote) = outgoing.remote.filter(|_| outgoing.sending) else {
                stream.timestamp = stream.timestamp.wrapping_add(SAMPLES as u32);
                continue;
            };
            let packets = stream.next(&mut outgoing);
            let is_lost = outgoing.lose_every != 0 && stream.sequence.is_multiple_of(outgoing.lose_every);
            drop(outgoing);
            if is_lost {
                continue;
            }
            for packet in packets {
                // A refused packet (ICMP) is the far end's silence, and shows there.
                let _ = self.socket.send_to(&packet, remote);
            }
            locked(&self.sent).push(Instant::now());
        }
    }

    fn receive_until_stopped(&self) {
        let mut buffer = [0; 2_048];
        while !self.stopped.load(Ordering::Relaxed) {
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                let at = Instant::now();
                self.receive(&buffer[..length], from, at);
            }
        }
    }

    fn receive(&self, bytes: &[u8], from: SocketAddr, at: Instant) {
        let telephone_event = locked(&self.outgoing).telephone_event;
        let Some((packet, payload)) = Packet::parse(bytes, from, at) else { return };
        let mut received = locked(&self.received);
        if packet.payload_type == telephone_event {
            if let Some(digit) = payload.first().and_then(|code| DIGITS.get(usize::from(*code)))
                && received.last_event != Some(packet.timestamp)
            {
                received.digits.push(char::from(*digit));
                received.last_event = Some(packet.timestamp);
            }
            return;
        }
        let samples = Codec::of(packet.payload_type)
            .map(|codec| payload.iter().map(|byte| codec.decode(*byte)).collect())
            .unwrap_or_default();
        received.packets.push(Packet { samples, ..packet });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two streams pointed at each other: the tone and the digits arrive.
    #[tokio::test]
    async fn a_tone_and_digits_cross_from_socket_to_socket() {
        let address = IpAddr::from([127, 0, 0, 1]);
        let (a, b) = (Media::open(address).unwrap(), Media::open(address).unwrap());
        a.settle(Some(b.local()), Codec::Pcma, None, true);
        b.settle(Some(a.local()), Codec::Pcmu, None, true);
        a.send_tone(440.0);
        b.send_tone(600.0);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (at_a, at_b) = tokio::join!(a.hear(Duration::from_secs(1)), b.hear(Duration::from_secs(1)));
        at_a.expect_tone(600.0, Duration::from_millis(200)).unwrap();
        at_b.expect_tone(440.0, Duration::from_millis(200)).unwrap();
        a.send_digits("19*#").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(b.digits(), "19*#");
        a.lose_every(10);
        let heard = b.hear(Duration::from_secs(1)).await;
        assert!((4..=6).contains(&heard.lost), "{heard}");
    }
}
