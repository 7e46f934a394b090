//! Every message of RFC 4475 over real sockets. What each is, and why, stands in `tests/torture.rs`.

use std::path::Path;
use std::time::Duration;

use peers::office::Office;
use peers::{Failure, Outcome};
use tokio::io::{AsyncRead, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::wire::{address, codes, read_all, tcp, tls};

/// Requests that are refused before anybody looks at what they want.
const REFUSED: [(&str, u16); 22] = [
    ("badinv01", 400),
    ("ncl", 400),
    ("scalar02", 400),
    ("quotbal", 400),
    ("ltgtruri", 400),
    ("lwsruri", 400),
    ("lwsstart", 400),
    ("trws", 400),
    ("escruri", 400),
    ("regbadct", 400),
    ("baddn", 400),
    ("badvers", 505),
    ("mismatch01", 400),
    ("mismatch02", 400),
    ("insuf", 400),
    ("unkscm", 416),
    ("novelsc", 416),
    ("unksm2", 400),
    ("bext01", 420),
    ("invut", 415),
    ("multi01", 400),
    ("sdp01", 406),
];
/// Longer than `message-time`.
const MESSAGE_TIME: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_millis(150);

fn messages() -> Outcome<Vec<(String, Vec<u8>)>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rfc4475");
    let mut messages = Vec::new();
    for file in std::fs::read_dir(directory)? {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == "dat") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            messages.push((name, std::fs::read(path)?));
        }
    }
    messages.sort();
    Ok(messages)
}

/// Answers to earlier messages, repeated because nobody acknowledges them, may be among these.
fn check(name: &str, answered: &[u16]) -> Outcome {
    match REFUSED.iter().find(|(refused, _)| *refused == name) {
        Some((_, code)) if !answered.contains(code) => {
            Err(Failure::new(format!("{name} is to be answered {code}, not {answered:?}")))
        }
        _ => Ok(()),
    }
}

/// Answers go to port 5060 of the sender, as most of the messages' Vias ask.
pub(crate) async fn over_udp(office: &Office) -> Outcome<String> {
    let socket = UdpSocket::bind((address(2), 5060)).await?;
    let (mut answered, mut silent) = (0, 0);
    let messages = messages()?;
    for (name, bytes) in &messages {
        socket.send_to(bytes, office.places().udp).await?;
        let mut buffer = vec![0; 65_536];
        let mut text = String::new();
        while let Ok(Ok((length, _))) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await {
            text += &String::from_utf8_lossy(&buffer[..length]);
        }
        let codes = codes(&text);
        if codes.is_empty() {
            silent += 1;
        } else {
            check(name, &codes)?;
            answered += 1;
        }
        if !office.is_running() {
            return Err(Failure::new(format!("{name} ended the daemon")));
        }
    }
    assert!(answered > 20, "{answered} of {} were answered", messages.len());
    Ok(format!("{answered} answered, {silent} not"))
}

/// Whether the message was answered. A stream in which nobody can say where the message ends, or that ends too early,
/// is closed when the time for a message is over.
async fn check_stream(name: &str, stream: &mut (impl AsyncRead + Unpin)) -> Outcome<bool> {
    let (text, _) = read_all(stream, PATIENCE).await;
    let answered = codes(&text);
    let is_refused = REFUSED.iter().any(|(refused, _)| *refused == name);
    if answered.is_empty() && is_refused {
        let (late, closed) = read_all(stream, MESSAGE_TIME).await;
        return if closed { Ok(false) } else { check(name, &codes(&late)).map(|()| true) };
    }
    check(name, &answered)?;
    Ok(!answered.is_empty())
}

pub(crate) async fn over_tcp(office: &Office) -> Outcome<String> {
    let messages = messages()?;
    let mut answered = 0;
    for (name, bytes) in &messages {
        let mut stream = tcp(3, office.places().udp).await?;
        stream.write_all(bytes).await?;
        answered += usize::from(check_stream(name, &mut stream).await?);
    }
    Ok(format!("{answered} of {} answered", messages.len()))
}

pub(crate) async fn over_tls(office: &Office) -> Outcome<String> {
    let messages = messages()?;
    let mut answered = 0;
    for (name, bytes) in &messages {
        let mut stream = tls(office, 4, office.places().tls).await?;
        stream.write_all(bytes).await?;
        answered += usize::from(check_stream(name, &mut stream).await?);
    }
    Ok(format!("{answered} of {} answered", messages.len()))
}
