//! Who guesses passwords is locked out, who floods is throttled; nobody else notices.

use std::time::Duration;

use peers::Outcome;
use peers::office::Office;
use peers::phone::{Algorithm, Credentials, Phone, Settings};
use tokio::net::UdpSocket;

use super::wire::{address, request, tls};

pub(crate) async fn passwords(office: &Office) -> Outcome<String> {
    let account = office.account()?;
    let from = |last: u8, password: &str| {
        let (username, password) = (account.extension.clone(), password.to_owned());
        let credentials = Some(Credentials { username, password, algorithm: Algorithm::Sha256 });
        let local = (address(last), 0).into();
        Settings { credentials, local, ..office.tls(&account) }
    };
    let mut codes = Vec::new();
    for guess in 0..7 {
        let mut phone = Phone::open(from(20, &format!("guess-{guess}"))).await?;
        codes.push(phone.try_register(60).await?.code());
    }
    assert_eq!(codes[..3], [401, 401, 401], "{codes:?}");
    let mut right = Phone::open(from(20, &account.password)).await?;
    codes.push(right.try_register(60).await?.code());
    assert_ne!(codes.last(), Some(&200), "the guesser is let in after {codes:?}");
    // Who guesses does not lock out the owner, who is elsewhere.
    let mut owner = Phone::open(office.tls(&account)).await?;
    owner.register().await?;
    let locked = office.metric("branchline_sip_drops_total", &["reason=\"locked-out\""]).await?;
    assert!(locked > 0.0, "no lock-out is counted");
    Ok(format!("answers {codes:?}; the owner registers from elsewhere"))
}

pub(crate) async fn flood(office: &Office) -> Outcome<String> {
    let before = office.metric("branchline_sip_drops_total", &["room=\"admission\""]).await?;
    let socket = UdpSocket::bind((address(21), 0)).await?;
    let local = socket.local_addr()?;
    for n in 0..3_000 {
        let text = request("OPTIONS", "sip:branchline", local, &format!("X-Number: {n}\r\n"), "")
            .replace("z9hG4bK-", &format!("z9hG4bK-{n}-"));
        socket.send_to(text.as_bytes(), office.places().udp).await?;
        if n % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let dropped = office.metric("branchline_sip_drops_total", &["room=\"admission\""]).await? - before;
    assert!(dropped > 1_000.0, "{dropped} of 3000 were dropped as too many");
    drop(tls(office, 22, office.places().tls).await?);
    Ok(format!("{dropped} of 3000 dropped as above the rate"))
}
