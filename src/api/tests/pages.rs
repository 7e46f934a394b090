//! Pages, health, and what surrounds every answer.

use super::harness::{OWN_TOKEN, Server, Setup};

#[tokio::test]
async fn the_page_is_cached_by_its_tag_and_strictly_fenced() {
    let server = Server::start(Setup::default()).await;
    let page = server.get("/", &[]).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let tag = page.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() > 10);
    let again = server.get("/", &[("If-None-Match", &format!("W/{tag}, \"x\""))]).await;
    assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", &*tag));
    assert_eq!(server.get("/", &[("If-None-Match", "\"other\"")]).await.status, 200);
    for answer in [page, again] {
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("strict-transport-security"), "", "this connection is not TLS");
    }
}

#[tokio::test]
async fn everything_that_the_page_names_is_there() {
    let server = Server::start(Setup::default()).await;
    let mut open = vec!["/".to_owned()];
    let mut seen = Vec::new();
    while let Some(path) = open.pop() {
        let answer = server.get(&path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        let named = answer.body.split(['"', '\'']).filter_map(|word| {
            let local = word.strip_prefix("./").map(|name| format!("/phone/{name}"));
            local.or_else(|| word.starts_with("/phone/").then(|| word.to_owned()))
        });
        let named: Vec<_> = named.filter(|path| !seen.contains(path)).collect();
        seen.extend(named.iter().cloned());
        open.extend(named);
    }
    assert!(seen.len() >= 9, "{seen:?}");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let server = Server::start(Setup::default()).await;
    let unknown = server.get("/nothing", &[]).await;
    assert_eq!((unknown.status, unknown.reason().as_str()), (404, "not-found"));
    let nested = server.get("/api/v1/voip/nothing", &[]).await;
    assert_eq!((nested.status, nested.reason().as_str()), (404, "not-found"));
    let method = server.ask("DELETE", "/api/v1/voip/calls", &[], "").await;
    assert_eq!((method.status, method.reason().as_str()), (405, "method-not-allowed"));
    assert_eq!(unknown.json()["type"], "urn:branchline:problem:not-found");
}

#[tokio::test]
async fn health_is_open_and_status_is_not() {
    let server = Server::start(Setup::default()).await;
    assert_eq!(server.get("/api/v1/voip/health", &[]).await.json()["status"], "ok");
    assert_eq!(server.get("/api/v1/voip/status", &[]).await.status, 401);
    let bearer = [("Authorization", &*format!("Bearer {OWN_TOKEN}"))];
    assert_eq!(server.get("/api/v1/voip/status", &bearer).await.json()["calls"], 0);
    let config = server.get("/api/v1/voip/webrtc-config", &bearer).await.json();
    assert_eq!((&config["ice"], &config["codecs"][0]), (&"full".into(), &"opus".into()));
    for path in ["/api/v1/metrics/prometheus", "/api/v1/voip/metrics/prometheus"] {
        let older = server.get(path, &[]).await;
        assert_eq!((older.status, older.body.as_str()), (200, ""), "from loopback");
        assert!(older.header("content-type").starts_with("text/plain; version=0.0.4"));
        let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
        let open = server.get(path, &[("Accept", accept)]).await;
        assert_eq!((open.status, open.body.as_str()), (200, "# EOF\n"));
        assert!(open.header("content-type").starts_with("application/openmetrics-text"));
    }
}
