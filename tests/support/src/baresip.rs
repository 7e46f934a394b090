//! The real baresip: a phone that this project did not write, with TLS, client certificate and SDES-SRTP.
//!
//! It is steered and watched over its `ctrl_tcp` module (JSON in netstrings). A sine comes from `ausine`; what it
//! hears is recorded by `sndfile` and measured here.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

use crate::certs::Identity;
use crate::process::{Process, Scratch, dying_with_us};
use crate::tone::{self, Measured};
use crate::wav::Wav;
use crate::{Failure, Outcome, ports, require_program};

const SOON: Duration = Duration::from_secs(10);
const RTP_PORTS: u16 = 20;

/// How a baresip is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The user part of its address, and its name in digests.
    pub extension: String,
    /// Its password; empty for none.
    pub password: String,
    /// The server.
    pub server: SocketAddr,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'static str,
    /// The authority that signed the server's certificate.
    pub authority: Option<PathBuf>,
    /// Its own certificate.
    pub identity: Option<Identity>,
    /// Its own address. Loopback works, if it is named.
    pub address: IpAddr,
    /// `srtp-mand` (SDES demanded), `srtp` (offered) or empty.
    pub media_encryption: &'static str,
    /// Codecs, such as `PCMU/8000`, best first.
    pub codecs: &'static str,
    /// The tone that it sends.
    pub tone: f64,
    /// Seconds between registrations; 0 for none.
    pub registration: u32,
    /// More lines of its configuration.
    pub more: String,
}

impl Setup {
    /// A TLS phone with SDES demanded.
    pub fn tls(extension: &str, password: &str, server: SocketAddr, authority: &Path) -> Self {
        Self {
            extension: extension.to_owned(),
            password: password.to_owned(),
            server,
            transport: "tls",
            authority: Some(authority.to_owned()),
            identity: None,
            address: IpAddr::from([127, 0, 0, 1]),
            media_encryption: "srtp-mand",
            codecs: "PCMU/8000,PCMA/8000",
            tone: 700.0,
            registration: 60,
            more: String::new(),
        }
    }

    fn account(&self) -> String {
        let mut account = format!("<sip:{}@{};transport={}>", self.extension, self.server, self.transport);
        if !self.password.is_empty() {
            let _ = write!(account, ";auth_user={};auth_pass={}", self.extension, self.password);
        }
        if !self.media_encryption.is_empty() {
            let _ = write!(account, ";mediaenc={}", self.media_encryption);
        }
        let _ =
            write!(account, ";answermode=manual;regint={};audio_codecs={}", self.registration, self.codecs);
        account
    }

    fn config(&self, scratch: &Scratch, sip: u16, control: u16, rtp: u16) -> String {
        let mut config = format!(
            "poll_method epoll\nnet_interface {address}\nsip_listen {address}:{sip}\nrtp_ports {rtp}-{rtp_last}\n\
             call_local_timeout 120\ncall_max_calls 4\naudio_path /usr/share/baresip\n\
             audio_source ausine,{tone}\naudio_player aubridge,sink\naudio_alert aubridge,alert\n\
             ausrc_srate 48000\nausrc_channels 2\nauplay_srate 8000\nauplay_channels 1\n\
             snd_path {recordings}\nstatmode_default off\n\
             module_path {modules}\nmodule g711.so\nmodule g722.so\nmodule opus.so\nmodule ausine.so\nmodule aubridge.so\n\
             module sndfile.so\nmodule srtp.so\nmodule uuid.so\nmodule_tmp account.so\nmodule_app menu.so\n\
             module_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control}\n",
            address = self.address,
            rtp_last = rtp + RTP_PORTS - 1,
            tone = self.tone,
            recordings = scratch.join("recordings").display(),
            modules = module_directory().display(),
        );
        if let Some(authority) = &self.authority {
            let _ = writeln!(config, "sip_cafile {}", authority.display());
        }
        if let Some(identity) = &self.identity {
            let _ = writeln!(config, "sip_certificate {}", identity.combined.display());
        }
        config + &self.more
    }
}

/// Debian keeps the modules in a directory without the architecture's name; other systems do not.
fn module_directory() -> PathBuf {
    let plain = PathBuf::from("/usr/lib/baresip/modules");
    if plain.is_dir() {
        return plain;
    }
    PathBuf::from(format!("/usr/lib/{}-linux-gnu/baresip/modules", std::env::consts::ARCH))
}

/// A running baresip.
pub struct Baresip {
    scratch: Scratch,
    process: Process,
    control: OwnedWriteHalf,
    messages: UnboundedReceiver<Value>,
    passed: Vec<Value>,
}

/// What baresip sent and received in its last call.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The tone it heard, and its longest gap.
    pub heard: Measured,
    /// How much sound it received, and how much it had sent by then.
    pub received: Duration,
    /// How much sound it sent.
    pub sent: Duration,
    /// The longest gap in what it sent itself.
    pub own_gap: Duration,
}

impl Recorded {
    /// Demands this tone for at least `time`, without a gap longer than `gap` beyond the sender's own.
    pub fn expect_tone(&self, hz: f64, time: Duration, gap: Duration) -> Outcome {
        if tone::is_tone(&self.heard, hz) && self.received >= time && self.heard.longest_gap <= gap {
            return Ok(());
        }
        Err(Failure::new(format!(
            "expected {hz} Hz for {time:?} with gaps up to {gap:?}, baresip has {self:?}"
        )))
    }
}

impl Baresip {
    /// Starts it, and waits until it can be steered. It registers by itself.
    pub async fn start(setup: Setup) -> Outcome<Self> {
        let program = require_program("baresip", "phones")?;
        let scratch = Scratch::new("baresip")?;
        std::fs::create_dir_all(scratch.join("recordings"))?;
        let loopback = IpAddr::from([127, 0, 0, 1]);
        // The port after sip_listen's is its TLS listener.
        let (sip, control) = (ports::free_block(setup.address, 2)?, ports::free_port(loopback)?);
        let rtp = ports::free_block(setup.address, RTP_PORTS)?;
        std::fs::write(scratch.join("config"), setup.config(&scratch, sip, control, rtp))?;
        std::fs::write(scratch.join("accounts"), setup.account() + "\n")?;
        std::fs::write(scratch.join("contacts"), "")?;
        let mut command = dying_with_us(&program);
        command.args(["-4", "-f"]).arg(scratch.path());
        let mut process = Process::start("baresip", command, &scratch.join("log"))?;
        process.wait_for_log("baresip is ready.", SOON).await?;
        let (reader, control) = connect((loopback, control).into()).await?.into_split();
        let (sender, messages) = unbounded_channel();
        tokio::spawn(read_netstrings(reader, sender));
        Ok(Self { scratch, process, control, messages, passed: Vec::new() })
    }

    /// Runs a command of baresip's menu, such as `dial`; returns what it says.
    pub async fn command(&mut self, command: &str, parameters: &str) -> Outcome<String> {
        let text = json!({ "command": command, "params": parameters, "token": command }).to_string();
        self.control.write_all(format!("{}:{text},", text.len()).as_bytes()).await?;
        let answer = self.wait(command, SOON, |message| message["token"] == command).await?;
        let said = answer["data"].as_str().unwrap_or_default().to_owned();
        if answer["ok"] == true {
            Ok(said)
        } else {
            Err(self.process.failure(&format!("{command}: {answer}")))
        }
    }

    /// Waits for an event of this type, such as `CALL_ESTABLISHED`; returns it.
    pub async fn event(&mut self, kind: &str, within: Duration) -> Outcome<Value> {
        self.wait(kind, within, |message| message["event"] == true && message["type"] == kind).await
    }

    async fn wait(&mut self, what: &str, within: Duration, is_it: impl Fn(&Value) -> bool) -> Outcome<Value> {
        if let Some(at) = self.passed.iter().position(&is_it) {
            return Ok(self.passed.remove(at));
        }
        let end = Instant::now() + within;
        while let Ok(Some(message)) =
            timeout(end.saturating_duration_since(Instant::now()), self.messages.recv()).await
        {
            if is_it(&message) {
                return Ok(message);
            }
            self.passed.push(message);
        }
        Err(self.process.failure(&format!("no {what} within {within:?}; it told {:?}", self.passed)))
    }

    /// Waits until it is registered.
    pub async fn registered(&mut self) -> Outcome {
        self.process.wait_for_log("200 OK", SOON).await.map(drop)
    }

    /// Whether it has ever been registered.
    pub fn is_registered(&self) -> bool {
        self.log().contains("200 OK")
    }

    /// Waits until its registration is refused by a response. A TLS handshake that fails tells nothing: baresip
    /// only tries again.
    pub async fn registration_refused(&mut self) -> Outcome<Value> {
        self.event("REGISTER_FAIL", SOON).await
    }

    /// Calls a number or URI.
    pub async fn dial(&mut self, to: &str) -> Outcome {
        self.command("dial", to).await.map(drop)
    }

    /// Waits until a call is up.
    pub async fn established(&mut self) -> Outcome<Value> {
        self.event("CALL_ESTABLISHED", SOON).await
    }

    /// Waits until it is called; the event has the caller as `peeruri` and `peerdisplayname`.
    pub async fn called(&mut self) -> Outcome<Value> {
        self.event("CALL_INCOMING", SOON).await
    }

    /// Answers.
    pub async fn answer(&mut self) -> Outcome {
        self.command("accept", "").await?;
        self.established().await.map(drop)
    }

    /// Hangs up or rejects the current call.
    pub async fn hang_up(&mut self) -> Outcome {
        self.command("hangup", "").await?;
        self.closed().await.map(drop)
    }

    /// Waits until the call is over; the event has the reason as `param`.
    pub async fn closed(&mut self) -> Outcome<Value> {
        self.event("CALL_CLOSED", SOON).await
    }

    /// The cipher of the current call's media, such as `AES_CM_128_HMAC_SHA1_80`.
    pub async fn media_cipher(&mut self) -> Outcome<String> {
        let event = self.event("CALL_MENC", SOON).await?;
        Ok(event["param"].as_str().and_then(|param| param.rsplit(',').next()).unwrap_or_default().to_owned())
    }

    /// Puts the call on hold.
    pub async fn hold(&mut self) -> Outcome {
        self.command("hold", "").await.map(drop)
    }

    /// Takes it back.
    pub async fn resume(&mut self) -> Outcome {
        self.command("resume", "").await.map(drop)
    }

    /// Sends digits, one key after the other.
    pub async fn send_digits(&mut self, digits: &str) -> Outcome {
        for digit in digits.chars() {
            self.command("sndcode", &digit.to_string()).await?;
            sleep(Duration::from_millis(250)).await;
        }
        Ok(())
    }

    /// What the latest recording holds; the call may still be up.
    pub fn recorded(&self) -> Outcome<Recorded> {
        self.recorded_last(Duration::MAX)
    }

    /// The same for the end of the recording.
    pub fn recorded_last(&self, time: Duration) -> Outcome<Recorded> {
        let end = |suffix: &str| {
            let mut wav = Wav::read(&self.latest(suffix)?)?;
            let wanted = (time.as_secs_f64() * f64::from(wav.rate)) as usize;
            wav.samples.drain(..wav.samples.len().saturating_sub(wanted));
            Ok::<_, Failure>(wav)
        };
        let (received, sent) = (end("-dec.wav")?, end("-enc.wav")?);
        let length = |wav: &Wav| Duration::from_secs_f64(wav.samples.len() as f64 / f64::from(wav.rate));
        Ok(Recorded {
            heard: tone::measure(&received.samples, received.rate),
            received: length(&received),
            sent: length(&sent),
            own_gap: tone::measure(&sent.samples, sent.rate).longest_gap,
        })
    }

    fn latest(&self, suffix: &str) -> Outcome<PathBuf> {
        let files = std::fs::read_dir(self.scratch.join("recordings"))?.flatten().map(|entry| entry.path());
        files
            .filter(|path| path.to_string_lossy().ends_with(suffix))
            .max()
            .ok_or_else(|| self.process.failure(&format!("no recording *{suffix}")))
    }

    /// Its output so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The power fails: no BYE, no un-REGISTER.
    pub fn vanish(mut self) {
        self.process.kill();
    }
}

async fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    let end = Instant::now() + SOON;
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > end => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn read_netstrings(mut reader: OwnedReadHalf, messages: UnboundedSender<Value>) {
    let mut stream = Vec::new();
    let mut buffer = vec![0; 8_192];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        stream.extend_from_slice(&buffer[..length]);
        while let Some(text) = take_netstring(&mut stream) {
            if messages.send(serde_json::from_slice(&text).unwrap_or(Value::Null)).is_err() {
                return;
            }
        }
    }
}

fn take_netstring(stream: &mut Vec<u8>) -> Option<Vec<u8>> {
    let colon = stream.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&stream[..colon]).ok()?.parse().ok()?;
    let end = colon + 1 + length;
    if stream.len() <= end {
        return None;
    }
    let text = stream[colon + 1..end].to_vec();
    stream.drain(..=end);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netstrings_are_taken_when_they_are_whole() {
        let mut stream = b"3:abc,2:d".to_vec();
        assert_eq!(take_netstring(&mut stream), Some(b"abc".to_vec()));
        assert_eq!(take_netstring(&mut stream), None);
        stream.extend_from_slice(b"e,");
        assert_eq!(take_netstring(&mut stream), Some(b"de".to_vec()));
        assert!(stream.is_empty());
    }
}
