//! The peers themselves, against a real Asterisk and each other: what the other tests stand on.

use std::time::Duration;

use peers::asterisk::{Asterisk, Setup};
use peers::baresip::{self, Baresip};
use peers::browser::{self, Browser, expect_tone};
use peers::certs::Authority;
use peers::phone::{Algorithm, Codec, Credentials, Offer, Phone, Settings, TlsIdentity, Transport};
use peers::process::Scratch;
use peers::softphone::Softphone;
use peers::{Outcome, ports};

const CALL: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(5);
/// The gap that issue 2 allows.
const GAP: Duration = Duration::from_millis(60);

async fn phone(extension: &str, asterisk: &Asterisk) -> Outcome<Phone> {
    let mut settings = Settings::new(extension, asterisk.sip());
    settings.display_name = Some(format!("Phone {extension}"));
    Phone::open(settings).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_phone_hears_asterisks_echo() -> Outcome {
    let asterisk = Asterisk::start().await?;
    let mut alice = phone("1001", &asterisk).await?;
    alice.register().await?;
    assert_eq!(asterisk.contacts("1001").await?.len(), 1);
    let mut call = alice.call("600")?;
    call.answered().await?;
    call.media().send_tone(440.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let heard = call.media().hear(CALL).await;
    println!("echo: {heard}");
    heard.expect_tone(440.0, GAP)?;
    assert_eq!(asterisk.channels().await?, 1);
    call.hang_up().await?;
    asterisk.idle(SOON).await?;
    alice.unregister().await?;
    assert!(asterisk.contacts("1001").await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_phones_hear_each_other_through_asterisk() -> Outcome {
    let asterisk = Asterisk::start().await?;
    let (alice, mut bob) = (phone("1001", &asterisk).await?, phone("1002", &asterisk).await?);
    bob.register().await?;
    // The state follows once the contact has answered Asterisk's OPTIONS.
    asterisk.cli_until("core show hints", SOON, |hints| hint_is(hints, "1002", "Idle")).await?;
    let mut call = alice.call("1002")?;
    let incoming = bob.called().await?;
    assert_eq!((incoming.caller(), incoming.caller_name()), ("1001", "Phone 1001"));
    incoming.ring();
    call.provisional(180).await?;
    let mut answered = incoming.answer().await?;
    call.answered().await?;
    call.media().send_tone(440.0);
    answered.media().send_tone(700.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (at_alice, at_bob) = tokio::join!(call.media().hear(CALL), answered.media().hear(CALL));
    println!("alice: {at_alice}\nbob: {at_bob}");
    at_alice.expect_tone(700.0, GAP)?;
    at_bob.expect_tone(440.0, GAP)?;
    asterisk.cli_until("core show hints", SOON, |hints| hint_is(hints, "1002", "InUse")).await?;

    // Bob holds: Alice hears Asterisk's music, and nothing of Alice reaches Bob.
    answered.hold().await?;
    let (at_alice, at_bob) = tokio::join!(call.media().hear(SOON), answered.media().hear(SOON));
    at_alice.expect_no_tone(700.0)?;
    at_bob.expect_no_tone(440.0)?;
    answered.resume().await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    call.media().hear(Duration::from_secs(2)).await.expect_tone(700.0, GAP)?;

    call.change_codecs(&[Codec::Pcma]).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let heard = call.media().hear(Duration::from_secs(2)).await;
    assert_eq!(heard.payload_type, Some(Codec::Pcma.payload_type()), "{heard}");
    heard.expect_tone(700.0, GAP)?;

    answered.hang_up().await?;
    call.ended().await?;
    asterisk.idle(SOON).await
}

fn hint_is(hints: &str, extension: &str, state: &str) -> bool {
    let start = format!("{extension}@");
    hints
        .lines()
        .any(|line| line.trim_start().starts_with(&start) && line.contains(&format!("State:{state} ")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_services_of_the_dialplan_do_what_they_say() -> Outcome {
    let asterisk =
        Asterisk::start_with(Setup { ring_time: Duration::from_secs(2), ..Setup::default() }).await?;
    let alice = phone("1001", &asterisk).await?;

    alice.call("605")?.refused(486).await?;
    alice.call("606")?.refused(503).await?;
    alice.call("9999")?.refused(404).await?;
    alice.call("1003")?.refused(480).await?;

    let mut ringing = alice.call("607")?;
    ringing.provisional(180).await?;
    assert_eq!(ringing.cancel().await?.code(), 487);

    let mut short = alice.call("608")?;
    short.answered().await?;
    short.ended().await?;

    let mut tone = alice.call("602")?;
    tone.answered().await?;
    tone.media().hear(Duration::from_secs(2)).await.expect_tone(1004.0, GAP)?;
    tone.hang_up().await?;

    let mut digits = alice.call("603")?;
    digits.answered().await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    digits.media().send_digits("4711").await?;
    asterisk.wait_for_log("DTMF digits read by Asterisk: 4711 from 1001", SOON).await?;
    digits.hang_up().await?;

    let mut early = alice.call("604")?;
    early.provisional(183).await?;
    early.media().hear(Duration::from_secs(2)).await.expect_tone(440.0, GAP)?;
    early.answered().await?;
    early.media().send_tone(900.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    early.media().hear(Duration::from_secs(2)).await.expect_tone(900.0, GAP)?;
    early.hang_up().await?;

    let mut late = alice.call_with("600", Offer::Late, &[])?;
    late.answered().await?;
    late.media().send_tone(500.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    late.media().hear(Duration::from_secs(2)).await.expect_tone(500.0, GAP)?;
    late.hang_up().await?;
    asterisk.idle(SOON).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_a_called_phone_rejects_misses_and_hears_the_caller_give_up() -> Outcome {
    let asterisk =
        Asterisk::start_with(Setup { ring_time: Duration::from_secs(2), ..Setup::default() }).await?;
    let (alice, mut bob) = (phone("1001", &asterisk).await?, phone("1002", &asterisk).await?);
    bob.register().await?;

    let mut busy = alice.call("1002")?;
    bob.called().await?.reject(486);
    busy.refused(486).await?;

    let mut missed = alice.call("1002")?;
    let mut ringing = bob.called().await?;
    ringing.ring();
    missed.refused(480).await?;
    ringing.cancelled().await?;

    let mut given_up = alice.call("1002")?;
    let mut ringing = bob.called().await?;
    ringing.ring();
    given_up.provisional(180).await?;
    assert_eq!(given_up.cancel().await?.code(), 487);
    ringing.cancelled().await?;

    // Nobody answers, and the voicemail variant takes the message.
    let mut message = alice.call("*81002")?;
    bob.called().await?.reject(486);
    message.answered().await?;
    message.media().send_tone(440.0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    message.hang_up().await?;

    // Both hang up at once.
    let mut call = alice.call("1002")?;
    let mut answered = bob.called().await?.answer().await?;
    call.answered().await?;
    let (one, other) = tokio::join!(call.hang_up(), answered.hang_up());
    one?;
    other?;
    asterisk.idle(SOON).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_lost_and_repeated_datagrams_do_not_harm_a_call() -> Outcome {
    let asterisk = Asterisk::start().await?;
    let mut alice = phone("1001", &asterisk).await?;
    alice.faults().lose_outgoing(1);
    alice.register().await?;
    alice.faults().repeat_outgoing(true);
    let mut call = alice.call("600")?;
    call.answered().await?;
    alice.faults().repeat_outgoing(false);
    // The answer to the re-INVITE is lost: Asterisk repeats it, and the phone acknowledges that.
    alice.faults().lose_incoming(2);
    call.hold().await?;
    call.resume().await?;
    call.hang_up().await?;
    asterisk.idle(SOON).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_asterisk_keeps_its_contacts_across_a_crash() -> Outcome {
    let asterisk = Asterisk::start().await?;
    let mut alice = phone("1001", &asterisk).await?;
    alice.register().await?;
    // Asterisk writes its database once a second; a contact younger than that is lost with it.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    asterisk.kill().await?;
    asterisk.restart().await?;
    assert_eq!(asterisk.contacts("1001").await?.len(), 1);
    let mut call = alice.call("608")?;
    call.answered().await?;
    call.ended().await?;
    asterisk.idle(SOON).await
}

/// A second door of Asterisk for phones that come without Branchline: TLS with client certificates, SDES.
fn tls_door(port: u16, ca: &std::path::Path, server: &peers::certs::Identity) -> String {
    format!(
        "[tls]\ntype=transport\nprotocol=tls\nbind=127.0.0.1:{port}\ncert_file={}\npriv_key_file={}\nca_list_file={}\n\
         method=sslv23\nverify_client=yes\nrequire_client_cert=yes\n\
         [2001](branchline-extension)\ntransport=tls\nmedia_encryption=sdes\nauth=2001\naors=2001\nrtcp_mux=no\n\
         [2001]\ntype=auth\nauth_type=userpass\nusername=2001\npassword=secret\n[2001](branchline-aor)\n",
        server.certificate.display(),
        server.key.display(),
        ca.display()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_baresip_speaks_tls_and_sdes_with_asterisk_and_a_phone() -> Outcome {
    let scratch = Scratch::new("certs")?;
    let authority = Authority::new(scratch.path())?;
    let (server, client) = (authority.issue("server", &["127.0.0.1"])?, authority.issue("2001", &[])?);
    let port = ports::free_port([127, 0, 0, 1].into())?;
    let pjsip_local = tls_door(port, authority.certificate(), &server);
    let extensions_local = "[branchline-local](+)\nexten => 2001,1,Dial(PJSIP/2001,20)\n".to_owned();
    let local = vec![("pjsip", pjsip_local), ("extensions", extensions_local)];
    let asterisk = Asterisk::start_with(Setup { local, ..Setup::default() }).await?;
    let door = ([127, 0, 0, 1], port).into();

    // Without a certificate of its own it is refused, and tries again later without telling.
    let refused =
        Baresip::start(baresip::Setup::tls("2001", "secret", door, authority.certificate())).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!refused.is_registered() && asterisk.contacts("2001").await?.is_empty());
    drop(refused);

    let identity = Some(client.clone());
    let setup =
        baresip::Setup { identity, ..baresip::Setup::tls("2001", "secret", door, authority.certificate()) };
    let mut baresip = Baresip::start(setup).await?;
    baresip.registered().await?;
    baresip.dial("600").await?;
    baresip.established().await?;
    assert_eq!(baresip.media_cipher().await?, "AES_CM_128_HMAC_SHA1_80");
    tokio::time::sleep(CALL).await;
    baresip.hang_up().await?;
    let recorded = baresip.recorded()?;
    println!("baresip: {recorded:?}");
    recorded.expect_tone(700.0, CALL.mul_f32(0.9), GAP)?;

    // Our own phone calls baresip: SDES-SRTP on one side of Asterisk, plain RTP on the other.
    let alice = phone("1001", &asterisk).await?;
    let mut call = alice.call("2001")?;
    assert!(baresip.called().await?["peeruri"].as_str().is_some_and(|uri| uri.starts_with("sip:1001@")));
    baresip.answer().await?;
    call.answered().await?;
    call.media().send_tone(440.0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let heard = call.media().hear(CALL).await;
    println!("phone: {heard}");
    heard.expect_tone(700.0, GAP)?;
    call.hang_up().await?;
    baresip.closed().await?;
    baresip.recorded()?.expect_tone(440.0, CALL, GAP)?;
    asterisk.idle(SOON).await
}

/// The same signalling over TLS from our own phone, without SDES.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_phone_speaks_tls_with_digest() -> Outcome {
    let scratch = Scratch::new("certs")?;
    let authority = Authority::new(scratch.path())?;
    let (server, client) = (authority.issue("server", &["127.0.0.1"])?, authority.issue("2001", &[])?);
    let port = ports::free_port([127, 0, 0, 1].into())?;
    let pjsip_local = tls_door(port, authority.certificate(), &server).replace("sdes", "no");
    let asterisk =
        Asterisk::start_with(Setup { local: vec![("pjsip", pjsip_local)], ..Setup::default() }).await?;
    let tls = |own| {
        let authority = authority.certificate().to_owned();
        Transport::Tls(TlsIdentity { authority, server_name: "127.0.0.1".to_owned(), own })
    };
    let settings = Settings::new("2001", ([127, 0, 0, 1], port).into());
    let settings = settings.with_password("secret", Algorithm::Md5);

    let stranger = Phone::open(settings.clone().over(tls(None))).await?;
    stranger.disconnected(SOON).await?;

    let own = Some((client.certificate, client.key));
    let mut wrong = settings.clone().over(tls(own.clone()));
    wrong.credentials = wrong.credentials.map(|known| Credentials { password: "guess".to_owned(), ..known });
    assert_eq!(Phone::open(wrong).await?.try_register(60).await?.code(), 401);

    let mut phone = Phone::open(settings.over(tls(own))).await?;
    phone.register().await?;
    let mut call = phone.call("600")?;
    call.answered().await?;
    call.media().send_tone(440.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    call.media().hear(Duration::from_secs(2)).await.expect_tone(440.0, GAP)?;
    call.hang_up().await?;
    asterisk.idle(SOON).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_browser_hears_its_own_microphone_through_webrtc() -> Outcome {
    let browser = Browser::start(browser::Setup { tone: 440, ..browser::Setup::default() }).await?;
    let page = browser.open_file("loop.html").await?;
    page.wait("document.body.dataset.state === 'media'", SOON).await?;
    page.click("button").await?;
    assert_eq!(page.text("button").await?, "pressed");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard = page.hear(CALL).await?;
    println!("browser: {heard:?}");
    expect_tone(&heard, 440.0, GAP)?;
    let stats = page.stats().await?;
    assert_eq!(stats[0]["connectionState"], "connected", "{stats}");
    let picture = browser.directory().join("loop.png");
    page.screenshot(&picture).await?;
    assert!(std::fs::metadata(&picture)?.len() > 1_000);
    page.close().await
}

/// Asterisk's own WebRTC side, which the product's site keeps off.
fn wss_door(port: u16, server: &peers::certs::Identity) -> Vec<(&'static str, String)> {
    let (certificate, key) = (server.certificate.display(), server.key.display());
    vec![
        (
            "http",
            format!(
                "enabled=yes\nbindaddr=127.0.0.1\nbindport=0\ntlsenable=yes\ntlsbindaddr=127.0.0.1:{port}\n\
                 tlscertfile={certificate}\ntlsprivatekey={key}\n"
            ),
        ),
        ("modules", "load = res_pjsip_transport_websocket.so\n".to_owned()),
        (
            "pjsip",
            format!(
                "[wss]\ntype=transport\nprotocol=wss\nbind=127.0.0.1\n\
                 [2002](branchline-extension)\ntransport=\nauth=2002\naors=2002\nwebrtc=yes\nrewrite_contact=yes\n\
                 media_address=\nbind_rtp_to_media_address=no\n\
                 dtls_cert_file={certificate}\ndtls_private_key={key}\n\
                 [2002]\ntype=auth\nauth_type=userpass\nusername=2002\npassword=secret\n[2002](branchline-aor)\n"
            ),
        ),
        ("extensions", "[branchline-local](+)\nexten => 2002,1,Dial(PJSIP/2002,20)\n".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_jssip_in_a_browser_talks_to_asterisk_and_a_phone() -> Outcome {
    let scratch = Scratch::new("certs")?;
    let server = Authority::new(scratch.path())?.issue("server", &["127.0.0.1", "localhost"])?;
    let port = ports::free_port([127, 0, 0, 1].into())?;
    let asterisk = Asterisk::start_with(Setup { local: wss_door(port, &server), ..Setup::default() }).await?;
    let setup = browser::Setup { tone: 700, spki: vec![server.spki.clone()] };
    let browser = Browser::start(setup).await?;
    let softphone =
        Softphone::open(&browser, &format!("wss://localhost:{port}/ws"), "sip:2002@localhost", "secret")
            .await?;
    softphone.registered().await?;

    softphone.call("600").await?;
    softphone.established().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard = softphone.page.hear(CALL).await?;
    println!("softphone, echo: {heard:?}");
    expect_tone(&heard, 700.0, GAP)?;
    softphone.hang_up().await?;

    let alice = phone("1001", &asterisk).await?;
    let mut call = alice.call("2002")?;
    assert_eq!(softphone.called().await?, ("1001".to_owned(), "Phone 1001".to_owned()));
    softphone.answer().await?;
    call.answered().await?;
    call.media().send_tone(440.0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (at_browser, at_phone) = tokio::join!(softphone.page.hear(CALL), call.media().hear(CALL));
    let at_browser = at_browser?;
    println!("softphone: {at_browser:?}\nphone: {at_phone}");
    expect_tone(&at_browser, 440.0, GAP)?;
    at_phone.expect_tone(700.0, GAP)?;
    call.hang_up().await?;
    softphone.ended().await?;
    asterisk.idle(SOON).await
}
