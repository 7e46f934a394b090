//! The peers of TLS, SDES, WebRTC and secure WebSocket, against a real Asterisk and each other.

use std::time::Duration;

use peers::asterisk::{Asterisk, Setup};
use peers::baresip::{self, Baresip};
use peers::browser::{self, Browser, expect_tone};
use peers::certs::Authority;
use peers::phone::{Algorithm, Credentials, Phone, Settings, TlsIdentity, Transport};
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
