//! Signing in and out.

use std::time::Duration;

use super::harness::{OWN_TOKEN, Server, Setup};

const CALLS: &str = "/api/v1/voip/calls";

async fn lists_calls(server: &Server, token: &str) -> u16 {
    server.get(CALLS, &[("Authorization", &format!("Bearer {token}"))]).await.status
}

#[tokio::test]
async fn a_password_gives_a_token_that_works_until_signed_out() {
    let server = Server::start(Setup::default()).await;
    let answer = server.sign_in("1001", "secret").await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{answer:?}");
    let session = answer.json();
    assert_eq!(
        (session["extension"].as_str(), session["name"].as_str()),
        (Some("1001"), Some("Person 1001"))
    );
    let token = session["token"].as_str().unwrap();
    assert_eq!(lists_calls(&server, token).await, 200);
    let bearer = format!("Bearer {token}");
    let who = server.get("/api/v1/voip/session", &[("Authorization", &bearer)]).await.json();
    assert_eq!(who["name"], "Person 1001");
    let out = server.ask("DELETE", "/api/v1/voip/session", &[("Authorization", &bearer)], "").await;
    assert_eq!(out.status, 204);
    assert_eq!(lists_calls(&server, token).await, 401);
}

#[tokio::test]
async fn tokens_are_not_forged_and_die_with_the_password() {
    let server = Server::start(Setup::default()).await;
    let token = server.sign_in("1001", "secret").await.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(lists_calls(&server, &token.replacen("1001", "1002", 1)).await, 401);
    assert_eq!(lists_calls(&server, &format!("{token}0")).await, 401);
    server.book.set("1001", "changed");
    assert_eq!(lists_calls(&server, &token).await, 401);
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let mut setup = Setup::default();
    setup.limits.session_life = Duration::ZERO;
    let server = Server::start(setup).await;
    let token = server.sign_in("1001", "secret").await.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(lists_calls(&server, &token).await, 401);
}

#[tokio::test]
async fn the_accounts_own_token_serves_and_no_other() {
    let server = Server::start(Setup::default()).await;
    assert_eq!(lists_calls(&server, OWN_TOKEN).await, 200);
    for token in ["", "x", "bl1.", &"x".repeat(10_000)] {
        let answer = server.get(CALLS, &[("Authorization", &format!("Bearer {token}"))]).await;
        assert_eq!((answer.status, answer.reason().as_str()), (401, "unauthorized"));
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn an_unknown_extension_and_a_wrong_password_look_the_same() {
    let server = Server::start(Setup::default()).await;
    let wrong = server.sign_in("1001", "nope").await;
    let unknown = server.sign_in("9999", "nope").await;
    assert_eq!((wrong.status, wrong.reason().as_str()), (401, "wrong-credentials"));
    assert_eq!((wrong.status, wrong.body), (unknown.status, unknown.body));
}

#[tokio::test]
async fn guessing_is_locked_out_even_with_the_right_password() {
    let server = Server::start(Setup::default()).await;
    for _ in 0..5 {
        assert_eq!(server.sign_in("1001", "nope").await.status, 401);
    }
    let answer = server.sign_in("1001", "secret").await;
    assert_eq!((answer.status, answer.reason().as_str()), (429, "locked-out"));
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 200);
    assert_eq!(server.sign_in("1002", "other").await.status, 200, "another extension of the same client");
}

#[tokio::test]
async fn bodies_are_checked() {
    let server = Server::start(Setup::default()).await;
    let cases = [
        ("{", 400, "bad-body"),
        ("{\"extension\": 1, \"password\": \"hunter2\"}", 400, "bad-body"),
        (&format!("{{\"extension\": \"{}\"}}", "x".repeat(70_000)), 413, "body-too-large"),
    ];
    for (body, status, reason) in cases {
        let answer = server.post("/session", "", body).await;
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason));
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(!answer.body.contains("hunter2"), "no echo of what may be a password");
    }
    let answer = server.ask("POST", "/api/v1/voip/session", &[("Content-Type", "text/plain")], "{}").await;
    assert_eq!((answer.status, answer.reason().as_str()), (400, "bad-body"));
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let mut setup = Setup::default();
    setup.limits.body_time = Duration::from_millis(50);
    let server = Server::start(setup).await;
    let headers = [("Content-Type", "application/json"), ("Content-Length", "100")];
    let answer = server.ask("POST", "/api/v1/voip/session", &headers, "").await;
    assert_eq!((answer.status, answer.reason().as_str()), (408, "body-timeout"));
}
