//! Requests that pretend, descriptions without end, and media that nobody asked for.

use std::fmt::Write as _;
use std::time::Duration;

use peers::Outcome;
use peers::office::Office;
use peers::phone::Phone;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::wire::{address, codes, request};

const PATIENCE: Duration = Duration::from_millis(400);

async fn answers(socket: &UdpSocket) -> Vec<u16> {
    let mut buffer = vec![0; 65_536];
    let mut text = String::new();
    while let Ok(Ok((length, _))) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await {
        text += &String::from_utf8_lossy(&buffer[..length]);
    }
    codes(&text)
}

pub(crate) async fn headers(office: &Office) -> Outcome<String> {
    let socket = UdpSocket::bind((address(30), 0)).await?;
    let victim = UdpSocket::bind((address(31), 0)).await?;
    let (local, elsewhere) = (socket.local_addr()?, victim.local_addr()?);
    let to = office.places().udp;
    let ((_, alice), (b, mut bob)) = (office.phone().await?, office.phone().await?);
    let mut call = alice.call(&b.extension)?;
    let mut answered = bob.called().await?.answer().await?;
    call.answered().await?;

    // A stranger who learned the Call-ID ends, changes and holds nothing.
    let mut refused = Vec::new();
    for method in ["BYE", "INVITE", "UPDATE", "CANCEL", "INFO"] {
        let text = request(method, "sip:1001@branchline", local, "", "");
        let id = text.lines().find(|line| line.starts_with("Call-ID")).unwrap_or_default().to_owned();
        let text = text.replace(&id, &format!("Call-ID: {}", call.call_id()));
        let text = text.replace("To: <sip:1001@branchline>", "To: <sip:1001@branchline>;tag=forged");
        socket.send_to(text.as_bytes(), to).await?;
        let codes = answers(&socket).await;
        assert!(codes.iter().all(|code| *code >= 400), "{method} in a forged dialog is answered {codes:?}");
        refused.push((method, codes.first().copied()));
    }
    // A Route or a foreign Request-URI makes nobody's relay of us; a Via makes us answer nobody else.
    let relayed = [
        request("OPTIONS", "sip:x@branchline", local, &format!("Route: <sip:{elsewhere};lr>\r\n"), ""),
        request("MESSAGE", &format!("sip:x@{elsewhere}"), local, "", "hello"),
        request("INVITE", &format!("sip:x@{elsewhere}"), local, "", ""),
        request("OPTIONS", "sip:branchline", elsewhere, "", ""),
        request("REGISTER", "sip:branchline", local, &format!("Path: <sip:{elsewhere};lr>\r\n"), ""),
    ];
    for text in &relayed {
        socket.send_to(text.as_bytes(), to).await?;
    }
    answers(&socket).await;
    assert!(answers(&victim).await.is_empty(), "something was sent to whom a stranger named");

    answered.media().send_tone(700.0);
    tokio::time::sleep(PATIENCE).await;
    call.media().hear(Duration::from_secs(1)).await.expect_tone(700.0, PATIENCE)?;
    call.hang_up().await?;
    answered.ended().await?;
    Ok(format!("{refused:?}; nothing relayed; the call went on"))
}

pub(crate) async fn descriptions(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    let callee = office.account()?;
    let mut bob = Phone::open(office.udp(&callee)).await?;
    bob.register().await?;
    let mut phone = Phone::open(office.udp(&account)).await?;
    phone.register().await?;
    let head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
    let mut many_lines = format!("{head}m=audio 4000 RTP/AVP 0\r\n");
    let mut many_media = head.to_owned();
    let mut many_types = format!("{head}m=audio 4000 RTP/AVP");
    for n in 0..600 {
        let _ = write!(many_lines, "a=x-{n}:y\r\n");
        let _ = write!(many_media, "m=audio {} RTP/AVP 0\r\n", 4_000 + n * 2);
        let _ = write!(many_types, " {n}");
    }
    many_types.push_str("\r\n");
    let no_end = format!("{head}m=audio 4000 RTP/AVP 0\r\na={}", "x".repeat(9_000));
    let mut said = Vec::new();
    for body in [many_lines, many_media, many_types, no_end, "v=0\r\n\0\0\0".to_owned()] {
        let headers = [("Content-Type", "application/sdp")];
        let to = format!("sip:{}@branchline", callee.extension);
        let answer = phone.ask("INVITE", &to, &headers, &body).await?;
        said.push(answer.code());
    }
    assert!(said.iter().all(|code| (400..500).contains(code)), "{said:?}");
    Ok(format!("answered {said:?}"))
}

/// During a call, strangers send to every media port: nothing of it is heard, everything is counted.
pub(crate) async fn media(office: &Office) -> Outcome<String> {
    let ((_, alice), (b, mut bob)) = (office.phone().await?, office.phone().await?);
    let mut call = alice.call(&b.extension)?;
    let mut answered = bob.called().await?.answer().await?;
    call.answered().await?;
    call.media().send_tone(440.0);
    answered.media().send_tone(700.0);
    tokio::time::sleep(PATIENCE).await;
    let before = office.metric("branchline_media_drops_total", &[]).await?;
    let stranger = UdpSocket::bind((address(32), 0)).await?;
    let places = *office.places();
    let rtp = [[0x80, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9].to_vec(), vec![0xD5; 160]].concat();
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat();
    let dtls = [&[22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1][..], &[0; 59]].concat();
    let attack = async {
        for _ in 0..20 {
            for packet in [&rtp, &stun, &dtls] {
                stranger.send_to(packet, places.webrtc).await?;
                for port in 0..20 {
                    stranger.send_to(packet, (address(1), places.phone_ports + port)).await?;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, peers::Failure>(())
    };
    let time = Duration::from_secs(2);
    let (sent, at_alice, at_bob) = tokio::join!(attack, call.media().hear(time), answered.media().hear(time));
    sent?;
    let gap = Duration::from_millis(200);
    at_alice.expect_tone(700.0, gap)?;
    at_bob.expect_tone(440.0, gap)?;
    assert!(at_alice.streams == 1 && at_bob.streams == 1, "{at_alice} {at_bob}");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let dropped = office.metric("branchline_media_drops_total", &[]).await? - before;
    assert!(dropped >= 700.0, "{dropped} packets were counted");
    // Nobody without credentials of a call is answered: neither STUN nor DTLS tells who is there.
    let mut buffer = [0; 2_048];
    let answered_to = timeout(PATIENCE, stranger.recv_from(&mut buffer)).await;
    assert!(answered_to.is_err(), "a stranger was answered by a media port");
    call.hang_up().await?;
    answered.ended().await?;
    Ok(format!("{dropped} packets dropped and counted"))
}
