//! Who may ask for what: keys, tokens, their end.

use std::time::Duration;

use peers::Outcome;
use peers::postgres::Postgres;
use serde_json::{Value, json};

use crate::desk::{Desk, Plan, Told};
use crate::sites::Site;

/// Asks with a token and the office that it is shown for.
async fn with(desk: &Desk, token: &str, office: &str, method: &str, path: &str) -> Outcome<Told> {
    let bearer = format!("Bearer {token}");
    let named = ("X-Federation-Office", office);
    let headers = if office.is_empty() { vec![] } else { vec![named] };
    let headers: Vec<_> = std::iter::once(("Authorization", bearer.as_str())).chain(headers).collect();
    desk.ask_as(&headers, method, path, Value::Null).await
}

async fn issue(desk: &Desk, permissions: Value, life: &str) -> Outcome<(String, i64)> {
    let wish = json!({ "office": "BRU", "name": "a script", "permissions": permissions, "life": life });
    let made = desk.expect(201, "POST", "tokens", wish).await?;
    let token = made["token"].as_str().unwrap_or_default().to_owned();
    Ok((token, made["id"].as_i64().unwrap_or_default()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_its_office_for_its_purpose_until_its_end() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    a_token_and_its_end(&Desk::open(&site, &[&broker]).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_the_same_on_a_server() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let server = Postgres::start(&site.scratch, &site.authority).await?;
    let plan = Plan { database: Some(&server), ..Plan::default() };
    a_token_and_its_end(&Desk::planned(&site, &[&broker], plan).await?).await
}

async fn a_token_and_its_end(desk: &Desk) -> Outcome {
    desk.furnish("BRU").await?;
    desk.furnish("PAR").await?;
    let refusal = |told: &Told| (told.status, told.body["reason"].as_str().unwrap_or_default().to_owned());

    let nobody = desk.ask_as(&[], "GET", "offices", Value::Null).await?;
    assert_eq!(refusal(&nobody), (401, "unauthorized".to_owned()));
    let guess = with(desk, &format!("blk_{}", "0".repeat(64)), "", "GET", "offices").await?;
    assert_eq!(refusal(&guess), (401, "unauthorized".to_owned()));

    let (token, id) = issue(desk, json!(["read"]), "1h").await?;
    assert_eq!(with(desk, &token, "BRU", "GET", "offices/BRU").await?.status, 200);
    assert_eq!(with(desk, &token, "BRU", "GET", "links?at=BRU").await?.status, 200);
    assert_eq!(with(desk, &token, "BRU", "GET", "links/BRU/nyc-sip").await?.status, 200);
    let ids = desk.get("routes").await?;
    let [own, foreign] = [0, 1].map(|place| format!("routes/{}", ids["items"][place]["id"]));
    assert_eq!(with(desk, &token, "BRU", "GET", &own).await?.body["pattern"], "NYC-*");
    assert_eq!(with(desk, &token, "BRU", "GET", &foreign).await?.status, 403);
    assert_eq!(with(desk, &token, "BRU", "GET", "routes/999").await?.status, 404);
    assert_eq!(with(desk, &token, "BRU", "GET", "links/BRU/nowhere").await?.status, 404);
    for (office, path, reason) in [
        ("", "offices/BRU", "federation-office"),
        ("PAR", "offices/BRU", "federation-office"),
        ("BRU", "offices/PAR", "federation-office"),
        ("BRU", "routes?at=PAR", "federation-office"),
        ("BRU", "offices", "forbidden"),
        ("BRU", "overview", "forbidden"),
        ("BRU", "tokens", "forbidden"),
    ] {
        let told = with(desk, &token, office, "GET", path).await?;
        assert_eq!(refusal(&told), (403, reason.to_owned()), "{office} {path}");
    }
    let told = with(desk, &token, "BRU", "POST", "offices/BRU/desired").await?;
    assert_eq!(refusal(&told), (403, "forbidden".to_owned()), "it may only read");
    let (publisher, _) = issue(desk, json!(["publish"]), "1h").await?;
    assert_eq!(with(desk, &publisher, "BRU", "POST", "offices/BRU/desired").await?.status, 200);
    assert_eq!(with(desk, &publisher, "BRU", "GET", "offices/BRU").await?.status, 403);

    let (short, _) = issue(desk, json!(["read"]), "1s").await?;
    assert_eq!(with(desk, &short, "BRU", "GET", "offices/BRU").await?.status, 200);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let told = with(desk, &short, "BRU", "GET", "offices/BRU").await?;
    assert_eq!(refusal(&told), (401, "token-expired".to_owned()));
    desk.expect(204, "DELETE", &format!("tokens/{id}"), Value::Null).await?;
    let told = with(desk, &token, "BRU", "GET", "offices/BRU").await?;
    assert_eq!(refusal(&told), (401, "token-revoked".to_owned()));
    let states: Vec<Value> = desk.get("tokens").await?["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| one["state"].clone())
        .collect();
    assert_eq!(states, ["revoked", "in-force", "expired"]);
    all_of_an_office(desk, id, &publisher).await?;

    let kept = desk.files()?;
    for secret in [&token, &publisher, &desk.key] {
        let is_there = kept.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!is_there, "only hashes are stored, and nothing is logged");
    }
    Ok(())
}

/// An office's tokens as a list, and out of use all at once.
async fn all_of_an_office(desk: &Desk, revoked: i64, publisher: &str) -> Outcome {
    let of_office = desk.get("offices/BRU/tokens").await?;
    assert_eq!(of_office["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(desk.get("offices/PAR/tokens").await?["items"], json!([]));
    let revoked = desk.get(&format!("tokens/{revoked}")).await?;
    assert!(revoked["revoked"].is_string() && revoked["expires"].is_string(), "{revoked}");
    desk.expect(404, "GET", "tokens/999", Value::Null).await?;
    desk.expect(204, "DELETE", "offices/BRU/tokens", Value::Null).await?;
    let told = with(desk, publisher, "BRU", "POST", "offices/BRU/desired").await?;
    assert_eq!((told.status, told.body["reason"].as_str()), (401, Some("token-revoked")));
    Ok(())
}
