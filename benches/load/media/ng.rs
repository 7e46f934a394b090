//! Calls by rtpengine's ng protocol: bencoded dictionaries over UDP, each with a cookie before it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::browser::{self, Browser};
use super::description::Described;
use super::sip::protect;
use super::traffic::End;
use super::{Hold, Pair, Protection, SetUp};
use crate::cpu;
use crate::order::value;
use crate::phone::SDES_KEY;

/// Calls that are up.
pub(crate) struct Up {
    control: Control,
    calls: u16,
}

impl Up {
    /// Deletes them all.
    pub(crate) fn end(mut self) -> io::Result<()> {
        for number in 0..self.calls {
            let call = call_id(number);
            self.control.ask(&[
                ("call-id", &call),
                ("command", "delete"),
                ("delete-delay", "0"),
                ("from-tag", "a"),
            ])?;
        }
        Ok(())
    }
}

/// Offers and answers for each call.
pub(crate) fn set_up(calls: u16, protection: Protection, pid: u32) -> io::Result<SetUp> {
    let address: SocketAddr =
        value("--ng").and_then(|text| text.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
    let memory = cpu::memory_of_tree(pid);
    let mut control = Control::open(address)?;
    let mut pairs = Vec::new();
    for number in 0..calls {
        let mut pair = [End::new()?, End::new()?];
        let offer = match protection {
            Protection::Sdes => secure_description(pair[0].port()?),
            Protection::Dtls => {
                let browser = Browser::new(u32::from(number), pair[0].port()?)?;
                let offer = browser.offer();
                pair[0].browser = Some(browser);
                offer
            }
        };
        control.set_up(&mut pair, &call_id(number), &offer)?;
        pairs.push(pair);
    }
    browser::connect(&mut pairs)?;
    Ok(SetUp { pairs, hold: Hold::Ng(Up { control, calls }), memory })
}

fn call_id(number: u16) -> String {
    format!("bench-{}-{number}", std::process::id())
}

fn secure_description(port: u16) -> String {
    format!("{}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SDES_KEY}\r\n", description(port, "RTP/SAVP"))
}

fn description(port: u16, profile: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} {profile} 0\r\n\
         a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
    )
}

/// The control socket.
struct Control {
    socket: UdpSocket,
    asked: u32,
}

impl Control {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        Ok(Self { socket, asked: 0 })
    }

    fn set_up(&mut self, pair: &mut Pair, call: &str, offer: &str) -> io::Result<()> {
        let offered = self.ask(&[
            ("DTLS", "passive"),
            ("ICE", "remove"),
            ("call-id", call),
            ("command", "offer"),
            ("from-tag", "a"),
            ("sdp", offer),
            ("transport-protocol", "RTP/AVP"),
        ])?;
        pair[1].to = Described::read(&offered)?.address;
        let answer = description(pair[1].port()?, "RTP/AVP");
        let answered = self.ask(&[
            ("DTLS", "passive"),
            ("call-id", call),
            ("command", "answer"),
            ("from-tag", "a"),
            ("sdp", &answer),
            ("to-tag", "b"),
        ])?;
        let answered = Described::read(&answered)?;
        pair[0].to = answered.address;
        match &mut pair[0].browser {
            Some(browser) => browser.answered(&answered),
            None => protect(&mut pair[0], &answered),
        }
    }

    /// Asks, and gives the `sdp` of the answer, empty if it has none. Keys come in order.
    fn ask(&mut self, words: &[(&str, &str)]) -> io::Result<Vec<u8>> {
        self.asked += 1;
        let mut request = format!("{} d", self.asked);
        for (name, value) in words {
            for text in [name, value] {
                request.push_str(&text.len().to_string());
                request.push(':');
                request.push_str(text);
            }
        }
        request.push('e');
        self.socket.send(request.as_bytes())?;
        let mut buffer = vec![0; 16_384];
        let length = self.socket.recv(&mut buffer)?;
        let answer = &buffer[..length];
        if text_of(answer, b"6:result").as_deref() != Some(b"ok") {
            return Err(io::Error::other(String::from_utf8_lossy(answer).into_owned()));
        }
        Ok(text_of(answer, b"3:sdp").unwrap_or_default())
    }
}

/// The bencoded text that follows `name`.
fn text_of(answer: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let start = answer.windows(name.len()).position(|bytes| bytes == name)? + name.len();
    let rest = answer.get(start..)?;
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(rest.get(..colon)?).ok()?.parse().ok()?;
    rest.get(colon + 1..colon + 1 + length).map(<[u8]>::to_vec)
}
