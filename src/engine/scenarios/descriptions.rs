//! Session descriptions as phones, Asterisk and browsers write them.

/// Plain RTP: PCMU, PCMA and telephone events.
pub(in crate::engine) fn audio(port: u16) -> String {
    audio_of(port, &["0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"], "")
}

/// Plain RTP with these codecs (`0 PCMU/8000`) and further lines of the section.
pub(in crate::engine) fn audio_of(port: u16, codecs: &[&str], more: &str) -> String {
    let numbers: Vec<_> = codecs.iter().filter_map(|codec| codec.split(' ').next()).collect();
    let mut text = format!(
        "v=0\r\no=phone {port} 1 IN IP4 192.0.2.50\r\ns=-\r\nc=IN IP4 192.0.2.50\r\nt=0 0\r\nm=audio {port} RTP/AVP {}\r\n",
        numbers.join(" ")
    );
    for codec in codecs {
        text.push_str(&format!("a=rtpmap:{codec}\r\n"));
    }
    text + more
}

/// Plain RTP with a direction.
pub(in crate::engine) fn directed(port: u16, direction: &str) -> String {
    audio(port) + &format!("a={direction}\r\n")
}

/// A hold as old phones write it: connection address 0.0.0.0.
pub(in crate::engine) fn zeroed(port: u16) -> String {
    audio(port).replace("c=IN IP4 192.0.2.50", "c=IN IP4 0.0.0.0")
}

/// SDES-SRTP.
pub(in crate::engine) fn secured(port: u16) -> String {
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
    audio_of(port, &["0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"], key)
        .replace("RTP/AVP", "RTP/SAVP")
}

/// An answer to an SDES offer: the AES-CM suite under the offer's tag.
pub(in crate::engine) fn secured_answer(offer: &[u8], port: u16) -> String {
    let offer = String::from_utf8_lossy(offer);
    let line = offer.lines().find(|line| line.contains("AES_CM_128_HMAC_SHA1_80")).expect("the suite");
    let tag = line.trim_start_matches("a=crypto:").split(' ').next().expect("a tag");
    secured(port).replace("a=crypto:1", &format!("a=crypto:{tag}"))
}

/// A browser's audio: Opus, G.722, PCMU, PCMA, telephone events, over DTLS-SRTP. `key` is a digit that tells one set of
/// keys from another, `ufrag` one set of ICE credentials.
pub(in crate::engine) fn browser(key: char, ufrag: &str, setup: &str) -> String {
    let fingerprint = vec![format!("A{key}"); 32].join(":");
    let mut text = "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 110 101\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
        .to_owned();
    text.push_str(&format!(
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789abcdefghijklmn\r\na=ice-options:trickle\r\n"
    ));
    text.push_str(&format!(
        "a=fingerprint:sha-256 {fingerprint}\r\na=setup:{setup}\r\na=mid:0\r\na=sendrecv\r\n"
    ));
    text.push_str(
        "a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n",
    );
    text.push_str(
        "a=rtpmap:8 PCMA/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:101 telephone-event/8000\r\n",
    );
    text
}
