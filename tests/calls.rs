//! Calls between every kind of device, through the daemon and a real Asterisk, with tones measured.

use std::time::Duration;

use peers::Outcome;
use peers::cases::Cases;
use peers::office::{Office, Setup};

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
const CALL: Duration = Duration::from_secs(10);
/// The gap that issue 2 allows.
const GAP: Duration = Duration::from_millis(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_plain_phones() -> Outcome {
    let office = Office::open(BINARY, Setup::default()).await?;
    let mut cases = Cases::default();
    cases.add("a UDP phone hears Asterisk's echo", echo(&office));
    cases.play(4).await?;
    office.close().await
}

async fn echo(office: &Office) -> Outcome<String> {
    let (_, phone) = office.phone().await?;
    let mut call = phone.call("600")?;
    call.answered().await?;
    call.media().send_tone(440.0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let heard = call.media().hear(CALL).await;
    heard.expect_tone(440.0, GAP)?;
    call.hang_up().await?;
    Ok(heard.to_string())
}
