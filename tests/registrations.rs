//! Registrations of real devices at the daemon, and what Asterisk sees of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use peers::cases::Cases;
use peers::office::{Account, Office, Setup};
use peers::phone::{Algorithm, Credentials, Phone, Settings};
use peers::{Failure, Outcome};

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
/// How soon Asterisk must show the truth.
const TRUTH: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_come_and_go() -> Outcome {
    let setup = Setup { client_certificates: "optional", ..Setup::default() };
    let office = Office::open(BINARY, setup.with("sip.registrar", "min-expires = \"4s\"")).await?;
    let mut cases = Cases::default();
    cases.add("digest with SHA-256 and MD5, right and wrong", digest(&office));
    cases.add("several devices of one extension", several(&office));
    cases.add("a registration expires", expiry(&office));
    cases.add("credentials are changed", changed(&office));
    cases.add("keep-alives over UDP, TCP and TLS", keep_alives(&office));
    cases.add("a flow breaks and returns", broken_flow(&office));
    cases.add("certificates are optional", optional_certificates(&office));
    cases.play(4).await?;
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_survive_crashes() -> Outcome {
    let office = Office::open(BINARY, Setup::default()).await?;
    let mut cases = Cases::default();
    cases.add("Asterisk is killed, and comes back", asterisk_killed(&office));
    cases.add("Branchline is killed, and comes back", branchline_killed(&office));
    cases.play(1).await?;
    office.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_with_required_certificates() -> Outcome {
    let setup = Setup { client_certificates: "required", ..Setup::without_asterisk() };
    let office = Office::open(BINARY, setup).await?;
    required_certificates(&office).await?;
    office.close().await
}

/// The remotes at which the daemon says this extension is.
async fn registered(office: &Office, extension: &str) -> Outcome<usize> {
    let rows = office.json(&["registrations"]).await?;
    Ok(rows.as_array().into_iter().flatten().filter(|row| row["extension"] == extension).count())
}

fn with_password(settings: Settings, password: &str, algorithm: Algorithm) -> Settings {
    let username = settings.extension.clone();
    let credentials = Some(Credentials { username, password: password.to_owned(), algorithm });
    Settings { credentials, ..settings }
}

async fn digest(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
        let settings = with_password(office.udp(&account), &account.password, algorithm);
        let mut phone = Phone::open(settings).await?;
        let ok = phone.register().await?;
        assert!(ok.get("Contact").is_some(), "{}", ok.to_text());
        office.seen_by_asterisk(&account.extension, 1, TRUTH).await?;
        phone.unregister().await?;
        office.seen_by_asterisk(&account.extension, 0, TRUTH).await?;
    }
    let wrong = with_password(office.udp(&account), "guess", Algorithm::Sha256);
    let stranger = Account { extension: "7777".to_owned(), ..account.clone() };
    let mut refusals = Vec::new();
    for settings in [wrong, office.udp(&stranger)] {
        let refusal = Phone::open(settings).await?.try_register(60).await?;
        let names: Vec<String> = refusal.headers.iter().map(|(name, _)| name.clone()).collect();
        refusals.push((refusal.start.clone(), names));
    }
    assert_eq!(refusals[0], refusals[1], "a wrong password and an unknown user look alike");
    Ok(refusals[0].0.clone())
}

async fn several(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    let mut phones = Vec::new();
    for settings in [office.udp(&account), office.tls(&account), office.udp(&account)] {
        let mut phone = Phone::open(settings).await?;
        phone.register().await?;
        phones.push(phone);
    }
    assert_eq!(registered(office, &account.extension).await?, 3);
    office.seen_by_asterisk(&account.extension, 1, TRUTH).await?;
    for left in [2, 1] {
        let mut phone = phones.pop().ok_or_else(|| Failure::new("three phones"))?;
        phone.unregister().await?;
        assert_eq!(registered(office, &account.extension).await?, left);
        office.seen_by_asterisk(&account.extension, 1, TRUTH).await?;
    }
    phones.pop().ok_or_else(|| Failure::new("three phones"))?.unregister().await?;
    office.seen_by_asterisk(&account.extension, 0, TRUTH).await?;
    Ok("three devices, one contact at Asterisk until the last has gone".to_owned())
}

async fn expiry(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    let mut phone = Phone::open(office.udp(&account)).await?;
    let brief = phone.try_register(1).await?;
    assert_eq!((brief.code(), brief.get("Min-Expires")), (423, Some("4")));
    let start = Instant::now();
    assert_eq!(phone.try_register(4).await?.code(), 200);
    office.seen_by_asterisk(&account.extension, 1, TRUTH).await?;
    office.seen_by_asterisk(&account.extension, 0, TRUTH * 2).await?;
    let gone = start.elapsed();
    assert!(gone > Duration::from_millis(3_900), "gone after {gone:?}");
    Ok(format!("423; 4 s asked for, gone from Asterisk after {:.1} s", gone.as_secs_f64()))
}

async fn changed(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    let mut phone = Phone::open(office.udp(&account)).await?;
    phone.register().await?;
    office.seen_by_asterisk(&account.extension, 1, TRUTH).await?;
    let handed = office.json(&["extension", "password", &account.extension]).await?;
    office.seen_by_asterisk(&account.extension, 0, TRUTH).await?;
    assert_eq!(phone.try_register(60).await?.code(), 401);
    let password = handed[0]["password"].as_str().unwrap_or_default();
    let mut phone = Phone::open(with_password(office.udp(&account), password, Algorithm::Sha256)).await?;
    phone.register().await?;
    office.seen_by_asterisk(&account.extension, 1, TRUTH).await?;
    Ok("the old binding went at once".to_owned())
}

async fn keep_alives(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    let tcp = Settings { transport: peers::phone::Transport::Tcp, ..office.udp(&account) };
    for settings in [office.udp(&account), tcp, office.tls(&account)] {
        let mut phone = Phone::open(settings).await?;
        phone.register().await?;
        for _ in 0..3 {
            phone.keep_alive().await?;
        }
    }
    let mut phone = Phone::open(office.udp(&account)).await?;
    phone.send_raw(b"\r\n\r\n");
    phone.send_raw(b"\0");
    phone.register().await?;
    Ok("STUN and CRLF".to_owned())
}

/// A TLS phone loses its connection, and registers on a new one.
async fn broken_flow(office: &Office) -> Outcome<String> {
    let (account, caller) = (office.account()?, office.phone().await?.1);
    let instance = ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\";reg-id=1";
    let settings = Settings { contact_parameters: instance.to_owned(), ..office.tls(&account) };
    let mut phone = Phone::open(settings.clone()).await?;
    phone.register().await?;
    office.seen_by_asterisk(&account.extension, 1, TRUTH).await?;
    drop(phone);
    office.seen_by_asterisk(&account.extension, 0, TRUTH).await?;
    caller.call(&account.extension)?.refused(480).await?;
    let mut phone = Phone::open(settings).await?;
    phone.register().await?;
    assert_eq!(registered(office, &account.extension).await?, 1, "the same device, not a second one");
    office.seen_by_asterisk(&account.extension, 1, TRUTH).await?;
    rings(&caller, &account, &mut phone).await?;
    Ok("not reachable in between, rung on the new flow".to_owned())
}

async fn rings(caller: &Phone, account: &Account, phone: &mut Phone) -> Outcome<Duration> {
    let start = Instant::now();
    let mut call = caller.call(&account.extension)?;
    let incoming = phone.called().await?;
    let after = start.elapsed();
    // Our own phone knows no SDES, which TLS phones are offered: a busy sign says as much as an answer.
    incoming.reject(486);
    call.refused(486).await?;
    Ok(after)
}

// ---- certificates ---------------------------------------------------------------------------------------------

async fn issue(office: &Office, name: &str) -> Outcome<(PathBuf, PathBuf)> {
    let ca = office.file("ca").display().to_string();
    office.cli(&["ca", "issue", &ca, name]).await?;
    let file = |ending: &str| office.file(&format!("ca/issued/{name}.{ending}"));
    Ok((file("pem"), file("key")))
}

async fn revoke(office: &Office, name: &str) -> Outcome {
    let ca = office.file("ca").display().to_string();
    office.cli(&["ca", "revoke", &ca, name]).await?;
    office.cli(&["reload"]).await.map(drop)
}

/// Whether a TLS phone with this certificate can register. With TLS 1.3 a refusal comes after the handshake.
async fn is_let_in(office: &Office, account: &Account, own: Option<(PathBuf, PathBuf)>) -> Outcome<bool> {
    let Ok(mut phone) = Phone::open(office.tls_as(account, own)).await else { return Ok(false) };
    tokio::select! {
        closed = phone.disconnected(Duration::from_millis(700)) => {
            if closed.is_ok() {
                return Ok(false);
            }
        }
    }
    Ok(phone.register().await.is_ok())
}

async fn optional_certificates(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    let own = issue(office, "optional-phone").await?;
    let stranger = peers::certs::Authority::new(&office.file("strangers"))?.issue("phone", &[])?;
    assert!(is_let_in(office, &account, None).await?);
    assert!(is_let_in(office, &account, Some(own.clone())).await?);
    assert!(!is_let_in(office, &account, Some((stranger.certificate, stranger.key))).await?);
    revoke(office, "optional-phone").await?;
    assert!(!is_let_in(office, &account, Some(own)).await?);
    assert!(is_let_in(office, &account, None).await?);
    Ok("none and a good one are let in, a stranger's and a revoked one are not".to_owned())
}

async fn required_certificates(office: &Office) -> Outcome {
    let account = office.account()?;
    let (good, bad) = (issue(office, "phone-1").await?, issue(office, "phone-2").await?);
    assert!(!is_let_in(office, &account, None).await?);
    assert!(is_let_in(office, &account, Some(good.clone())).await?);
    assert!(is_let_in(office, &account, Some(bad.clone())).await?);
    revoke(office, "phone-2").await?;
    assert!(!is_let_in(office, &account, Some(bad)).await?);
    assert!(is_let_in(office, &account, Some(good)).await?);
    let refused = office.metric("branchline_tls_handshakes_total", &["listener=\"sip\""]).await?;
    let full = office.metric("branchline_tls_handshakes_total", &["listener=\"sip\"", "\"full\""]).await?;
    assert!(refused - full >= 2.0, "refused handshakes are counted by reason");
    Ok(())
}

// ---- crashes --------------------------------------------------------------------------------------------------

async fn asterisk_killed(office: &Office) -> Outcome<String> {
    let (a, mut alice) = office.phone().await?;
    let (b, mut bob) = office.phone().await?;
    office.seen_by_asterisk(&b.extension, 1, TRUTH).await?;
    office.asterisk().kill().await?;
    let down = "branchline_calls_active";
    office.metric(down, &[]).await?;
    wait_for_state(office, "down").await?;
    let alone = rings(&alice, &b, &mut bob).await?;
    rings(&bob, &a, &mut alice).await?;
    // Registrations that change meanwhile are known when it comes back.
    bob.unregister().await?;
    let (c, _carol) = office.phone().await?;
    office.asterisk().restart().await?;
    let start = Instant::now();
    wait_for_state(office, "up").await?;
    for (extension, count) in [(&a.extension, 1), (&b.extension, 0), (&c.extension, 1)] {
        office.seen_by_asterisk(extension, count, TRUTH).await?;
    }
    let known = start.elapsed();
    let mut echo = alice.call("600")?;
    echo.answered().await?;
    echo.hang_up().await?;
    Ok(format!(
        "a call without it rang after {} ms; all known {:.1} s after its return",
        alone.as_millis(),
        known.as_secs_f64()
    ))
}

async fn wait_for_state(office: &Office, wanted: &str) -> Outcome {
    let end = Instant::now() + Duration::from_secs(15);
    while office.json(&["status"]).await?["asterisk"] != wanted {
        if Instant::now() > end {
            return Err(Failure::new(format!("Asterisk is not said to be {wanted}")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn branchline_killed(office: &Office) -> Outcome<String> {
    let (_, alice) = office.phone().await?;
    let (b, mut bob) = office.phone().await?;
    let secured = office.account()?;
    let mut tls = Phone::open(office.tls(&secured)).await?;
    tls.register().await?;
    office.seen_by_asterisk(&b.extension, 1, TRUTH).await?;
    let before = office.json(&["registrations"]).await?.as_array().map_or(0, Vec::len);
    office.kill();
    let start = Instant::now();
    office.restart().await?;
    let ready = start.elapsed();
    let after = office.json(&["registrations"]).await?.as_array().map_or(0, Vec::len);
    assert_eq!(after, before, "registrations after the restart");
    let rang = rings(&alice, &b, &mut bob).await?;
    office.seen_by_asterisk(&b.extension, 1, TRUTH).await?;
    // The TLS phone's connection is gone: Asterisk must not think that it is there, until it is again.
    office.seen_by_asterisk(&secured.extension, 0, TRUTH).await?;
    let mut tls = Phone::open(office.tls(&secured)).await?;
    tls.register().await?;
    office.seen_by_asterisk(&secured.extension, 1, TRUTH).await?;
    rings(&alice, &secured, &mut tls).await?;
    Ok(format!("ready after {} ms, a UDP phone rang after {} ms", ready.as_millis(), rang.as_millis()))
}
