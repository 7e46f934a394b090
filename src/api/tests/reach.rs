//! Where a call would go, and what users say of it.

use serde_json::json;

use super::harness::{Answer, OWN_TOKEN, Server, Setup};

async fn get(server: &Server, path: &str) -> Answer {
    let bearer = format!("Bearer {OWN_TOKEN}");
    server.get(&format!("/api/v1/voip{path}"), &[("Authorization", &bearer)]).await
}

async fn put(server: &Server, body: &str) -> Answer {
    let bearer = format!("Bearer {OWN_TOKEN}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    server.ask("PUT", "/api/v1/voip/presence", &headers, body).await
}

#[tokio::test]
async fn resolve_says_where_a_call_would_go() {
    let server = Server::start(Setup::default()).await;
    let answer = get(&server, "/extensions/32-2001/resolve").await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    let found = answer.json();
    assert_eq!((&found["outcome"], &found["user"]["office"]), (&json!("rings"), &json!("NYC")));
    assert_eq!(found["attempts"][0]["why"], "visiting");
    for (path, status, reason) in [("1999", 404, "no-such-extension"), ("!!", 422, "bad-number")] {
        let answer = get(&server, &format!("/extensions/{path}/resolve")).await;
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let strange = server.get("/api/v1/voip/extensions/1001/resolve", &[]).await;
    assert_eq!((strange.status, strange.reason().as_str()), (401, "unauthorized"));
}

#[tokio::test]
async fn a_user_says_how_to_be_reached() {
    let server = Server::start(Setup::default()).await;
    let none = get(&server, "/presence").await;
    assert_eq!(none.json(), json!({"extension": "1001", "presence": "online", "since": 0}));
    let both = put(&server, r#"{"presence": "do_not_disturb", "preferred": "0123456789ab"}"#).await;
    let expected =
        json!({"extension": "1001", "presence": "do_not_disturb", "since": 5, "preferred": "0123456789ab"});
    assert_eq!((both.status, both.json()), (200, expected));
    let cleared = put(&server, r#"{"preferred": null}"#).await;
    assert_eq!(cleared.json(), json!({"extension": "1001", "presence": "online", "since": 0}));
    for (body, words) in [
        (r#"{"presence": "asleep"}"#, "do_not_disturb"),
        (r#"{"preferred": "my phone"}"#, "the id of a device"),
        (r#"{"presence": 5}"#, "wrong type"),
    ] {
        let answer = put(&server, body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{body}: {}", answer.body);
    }
}
