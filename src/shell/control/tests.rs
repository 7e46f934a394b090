//! A daemon that answers, one that does not, and clients that misbehave.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::*;

fn socket_path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run/control.sock");
    (directory, path)
}

async fn ask(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

#[tokio::test]
async fn requests_are_answered_by_whoever_holds_the_other_end() {
    let (_directory, path) = socket_path();
    let (queries, mut asked) = mpsc::channel(4);
    let serving = tokio::spawn(ControlServer::bind(&path).unwrap().serve(queries));
    tokio::spawn(async move {
        while let Some(ControlQuery { request, reply }) = asked.recv().await {
            let answer = match request {
                ControlRequest::Status => ControlReply::Status(Box::new(StatusView {
                    office: "BRU".into(),
                    ..StatusView::default()
                })),
                ControlRequest::Calls => ControlReply::Calls(Vec::new()),
                ControlRequest::Links => ControlReply::Links(Vec::new()),
                ControlRequest::Resolve(number) => {
                    ControlReply::Resolution(Box::new(Resolution { number, ..Resolution::default() }))
                }
                ControlRequest::Registrations => continue,
                ControlRequest::Reload | ControlRequest::ReloadAccounts | ControlRequest::Drain => {
                    ControlReply::Done("reloaded".into())
                }
            };
            let _ = reply.send(answer);
        }
    });
    assert!(ask(&path, "{\"get\":\"status\"}\n").await.starts_with("{\"status\":{\"office\":\"BRU\""));
    assert_eq!(ask(&path, "{\"get\":\"calls\"}\n").await, "{\"calls\":[]}\n");
    assert_eq!(ask(&path, "{\"get\":\"links\"}\n").await, "{\"links\":[]}\n");
    let resolved = ask(&path, "{\"resolve\":\"1001\"}\n").await;
    assert!(resolved.starts_with("{\"resolution\":{\"number\":\"1001\""), "{resolved}");
    assert_eq!(ask(&path, "{\"do\":\"reload-accounts\"}\n").await, "{\"done\":\"reloaded\"}\n");
    assert!(
        ask(&path, "{\"get\":\"registrations\"}\n").await.contains("did not answer"),
        "its reply was dropped"
    );
    let mut flood = UnixStream::connect(&path).await.unwrap();
    let _ = flood.write_all(&vec![b'x'; 1 << 20]).await;
    for bad in ["\n", "{\"get\":\"secrets\"}\n", "[[[[\n"] {
        assert!(ask(&path, bad).await.starts_with("{\"refused\":\"not a request"), "{bad:.20}");
    }
    serving.abort();
    let _ = serving.await;
    assert!(!path.exists(), "the socket goes with the daemon");
}

#[tokio::test]
async fn a_second_daemon_does_not_take_the_socket_and_a_dead_ones_is_replaced() {
    let (_directory, path) = socket_path();
    let (queries, _asked) = mpsc::channel(1);
    let first = ControlServer::bind(&path).unwrap();
    assert_eq!(ControlServer::bind(&path).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    drop(first);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "left by a crash");
    let serving = tokio::spawn(ControlServer::bind(&path).unwrap().serve(queries));
    serving.abort();
}

#[tokio::test]
async fn a_busy_daemon_refuses() {
    let (_directory, path) = socket_path();
    let (queries, asked) = mpsc::channel(1);
    drop(asked);
    let serving = tokio::spawn(ControlServer::bind(&path).unwrap().serve(queries));
    assert!(ask(&path, "{\"get\":\"status\"}\n").await.contains("too busy"));
    serving.abort();
}

#[test]
fn requests_are_written_as_documented() {
    let text = |request: ControlRequest| serde_json::to_string(&request).unwrap();
    assert_eq!(text(ControlRequest::Status), "{\"get\":\"status\"}");
    assert_eq!(text(ControlRequest::ReloadAccounts), "{\"do\":\"reload-accounts\"}");
    assert_eq!(text(ControlRequest::Drain), "{\"do\":\"drain\"}");
}
