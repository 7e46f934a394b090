//! Streams that no friend would send: garbage, one byte at a time, without an end, without a pause, without a word.

use std::time::{Duration, Instant};

use peers::Outcome;
use peers::office::Office;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UdpSocket;

use super::wire::{address, codes, read_all, request, tcp, tls};

const PATIENCE: Duration = Duration::from_millis(300);

/// Bytes that mean nothing, the same in every run.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 16) as u8
    };
    (0..length).map(step).collect()
}

/// Sends bytes; a far end that closed meanwhile is as good as one that listened.
async fn throw(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) -> (String, bool) {
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    read_all(stream, PATIENCE).await
}

pub(crate) async fn garbage(office: &Office) -> Outcome<String> {
    let places = *office.places();
    let udp = UdpSocket::bind((address(5), 0)).await?;
    for seed in 0..200 {
        let bytes = noise(seed as usize * 7 % 1_400, seed);
        for to in [places.udp, places.webrtc, (address(1), places.phone_ports).into()] {
            udp.send_to(&bytes, to).await?;
        }
    }
    for seed in 0..20 {
        let bytes = noise(3_000, seed);
        for to in [places.udp, places.tls, places.https, places.metrics] {
            throw(&mut tcp(5, to).await?, &bytes).await;
        }
        throw(&mut tls(office, 5, places.tls).await?, &bytes).await;
        throw(&mut tls(office, 5, places.https).await?, &bytes).await;
    }
    let (page, _) =
        throw(&mut tls(office, 5, places.https).await?, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    Ok("UDP, TCP, TLS, HTTPS, metrics and media ports".to_owned())
}

pub(crate) async fn split(office: &Office) -> Outcome<String> {
    let places = *office.places();
    let mut stream = tcp(6, places.udp).await?;
    stream.set_nodelay(true)?;
    let text = request("OPTIONS", "sip:branchline", stream.local_addr()?, "", "").replace("/UDP", "/TCP");
    for byte in text.as_bytes() {
        stream.write_all(&[*byte]).await?;
        tokio::task::yield_now().await;
    }
    let (answer, _) = read_all(&mut stream, PATIENCE).await;
    let bytewise = codes(&answer);
    // Two at once, with keep-alives before, between and after.
    let other = text.replace("CSeq: 1", "CSeq: 2").replace("z9hG4bK-", "z9hG4bK-2");
    let (answer, _) = throw(&mut stream, format!("\r\n\r\n{other}\r\n\r\n{text}\r\n\r\n").as_bytes()).await;
    assert_eq!(bytewise.len(), 1, "{bytewise:?}");
    assert_eq!(codes(&answer).len(), 2, "{answer}");
    Ok(format!("answered {bytewise:?}, then twice at once"))
}

pub(crate) async fn oversized(office: &Office) -> Outcome<String> {
    let places = *office.places();
    let from = "127.0.0.7:5060".parse()?;
    let many = format!("X-Long: {}\r\n", "a".repeat(8_000)).repeat(3);
    let endless = format!("X-Endless: {}", "a".repeat(200_000));
    let huge =
        request("MESSAGE", "sip:1001@branchline", from, "", "").replace("Length: 0", "Length: 999999999");
    let cut = request("MESSAGE", "sip:1001@branchline", from, "", "").replace("Length: 0", "Length: 500");
    let headers: String = (0..2_000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let texts = [
        request("OPTIONS", "sip:branchline", from, &many, ""),
        request("OPTIONS", "sip:branchline", from, &endless, ""),
        request("OPTIONS", "sip:branchline", from, &headers, ""),
        huge,
        cut,
    ];
    let udp = UdpSocket::bind((address(7), 0)).await?;
    let mut said = Vec::new();
    for text in &texts {
        // A datagram beyond 65,507 bytes cannot be sent at all.
        let _ = udp.send_to(text.as_bytes(), places.udp).await;
        let mut stream = tcp(7, places.udp).await?;
        let (answer, closed) = throw(&mut stream, text.as_bytes()).await;
        said.push((codes(&answer), closed));
        throw(&mut tls(office, 7, places.tls).await?, text.as_bytes()).await;
    }
    for (answer, closed) in said.iter().take(3) {
        assert!(*closed || !answer.is_empty(), "neither answered nor closed: {said:?}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000));
    let body = "POST /api/v1/voip/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 99999999\r\n\r\n{\"a\":";
    for text in [long.as_str(), body] {
        let (answer, closed) = throw(&mut tls(office, 7, places.https).await?, text.as_bytes()).await;
        assert!(closed || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    Ok(format!("(codes, closed) over TCP: {said:?}"))
}

/// Half a handshake, half a message, half a request: each is closed in its time.
pub(crate) async fn slow(office: &Office) -> Outcome<String> {
    let places = *office.places();
    let start = Instant::now();
    let mut silent = tcp(8, places.tls).await?;
    let mut https = tcp(8, places.https).await?;
    let mut half = tcp(8, places.udp).await?;
    half.write_all(b"OPTIONS sip:branchline SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.8").await?;
    let mut half_tls = tls(office, 8, places.tls).await?;
    half_tls.write_all(b"OPTIONS sip:bra").await?;
    half_tls.flush().await?;
    let most = Duration::from_secs(8);
    let (silent, https, half, half_tls) = tokio::join!(
        read_all(&mut silent, most),
        read_all(&mut https, Duration::from_secs(15)),
        read_all(&mut half, most),
        read_all(&mut half_tls, most),
    );
    assert!(silent.1, "a TLS handshake that never comes is waited for too long");
    assert!(half.1 && half_tls.1, "half a message is waited for too long");
    assert!(https.1, "an HTTPS handshake that never comes is waited for too long");
    Ok(format!("all closed within {:.1} s", start.elapsed().as_secs_f64()))
}

/// Frames that are no SIP, that are too long, that are not masked, and that never end.
pub(crate) async fn websocket(office: &Office) -> Outcome<String> {
    let places = *office.places();
    let upgrade = format!(
        "GET /sip HTTP/1.1\r\nHost: {0}\r\nOrigin: https://{0}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: sip\r\n\r\n",
        places.https
    );
    let masked = |opcode: u8, bytes: &[u8]| {
        let mut frame = vec![0x80 | opcode, 0x80 | 127];
        frame.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(bytes);
        frame
    };
    let frames = [
        masked(1, &noise(900, 3)),
        masked(2, &noise(900, 4)),
        masked(1, b"OPTIONS sip:branchline SIP/2.0\r\n\r\n"),
        masked(2, &vec![b'a'; 100_000]),
        vec![0x81, 5, b'h', b'e', b'l', b'l', b'o'],
        [vec![0x01, 0xFF], u64::MAX.to_be_bytes().to_vec(), vec![0; 4]].concat(),
        noise(500, 5),
    ];
    let mut closed = 0;
    for frame in &frames {
        let mut stream = tls(office, 9, places.https).await?;
        let (accepted, _) = throw(&mut stream, upgrade.as_bytes()).await;
        assert!(accepted.starts_with("HTTP/1.1 101"), "{accepted}");
        let (_, ended) = throw(&mut stream, frame).await;
        closed += usize::from(ended);
    }
    let strange = upgrade.replace(&format!("Origin: https://{}", places.https), "Origin: https://evil.test");
    let (refused, _) = throw(&mut tls(office, 9, places.https).await?, strange.as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    Ok(format!("{closed} of {} connections closed; a foreign origin is refused", frames.len()))
}
