//! HTTPS, and clients that must show a certificate before anything else.

use std::os::unix::fs::PermissionsExt as _;

use branchline::shell::pki::client_config;
use peers::Outcome;
use peers::certs::Identity;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::desk::{Desk, Plan, Told, told};
use crate::sites::Site;

/// Asks over TLS, with this certificate or none.
async fn ask(site: &Site, desk: &Desk, own: Option<&Identity>, key: &str) -> Outcome<Told> {
    let own = own.map(|own| (own.certificate.clone(), own.key.clone()));
    let config = client_config(site.authority.certificate(), own.as_ref())?;
    let stream = TcpStream::connect(&desk.address).await?;
    let name = rustls::pki_types::ServerName::try_from("localhost")?;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    let request =
        desk.request(&[("Authorization", &format!("Bearer {key}"))], "GET", "offices", &Value::Null);
    told(stream, &request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_certificate_no_key_is_looked_at() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let web = site.authority.issue("web", &["127.0.0.1", "localhost"])?;
    let person = site.authority.issue("person", &["person"])?;
    for identity in [&web, &person] {
        std::fs::set_permissions(&identity.key, std::fs::Permissions::from_mode(0o600))?;
    }
    let lines = format!(
        "certificate = {:?}\nkey = {:?}\nclient-ca = {:?}",
        web.certificate,
        web.key,
        site.authority.certificate()
    );
    let desk = Desk::planned(&site, &[&broker], Plan { lines: &lines, ..Plan::default() }).await?;
    assert!(ask(&site, &desk, None, &desk.key).await.is_err(), "a key alone does not do");
    assert_eq!(ask(&site, &desk, Some(&person), "blk_guess").await?.status, 401, "nor a certificate alone");
    assert_eq!(ask(&site, &desk, Some(&person), &desk.key).await?.status, 200);
    Ok(())
}
