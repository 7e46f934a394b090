//! The page, in a real Chromium.

use peers::Outcome;
use peers::browser::{Browser, Setup};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::sites::{SOON, Site};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_every_office_and_what_is_wrong() -> Outcome {
    let site = Site::new()?;
    let broker = site.broker("one").await?;
    let desk = Desk::open(&site, &[&broker]).await?;
    let office = desk.office(&site, &broker, "BRU").await?;
    let troubled = desk.office(&site, &broker, "LON").await?;
    for name in ["BRU", "LON", "PAR"] {
        desk.furnish(name).await?;
    }
    for name in ["BRU", "LON"] {
        desk.expect(200, "POST", &format!("offices/{name}/desired"), Value::Null).await?;
    }
    let silent = json!({ "at": "LON", "id": "par-sip", "kind": "SipTrunk", "office": "PAR",
        "address": "sip:127.0.0.1:9;transport=tls" });
    desk.expect(201, "POST", "links", silent).await?;

    let browser = Browser::start(Setup { tone: 440, ..Setup::default() }).await?;
    let page = browser.open(&format!("http://{}/", desk.address)).await?;
    page.appear("#signin-form", SOON).await?;
    page.fill("#signin-key", "blk_wrong").await?;
    page.press("Enter").await?;
    page.appear("#signin-error", SOON).await?;
    page.fill("#signin-key", &desk.key).await?;
    page.press("Enter").await?;
    page.appear("[data-office=BRU][data-glance=well]", SOON).await?;
    let bru = page.text("[data-office=BRU]").await?;
    assert!(bru.contains("revision 1, as desired") && bru.contains("Office BRU"), "{bru}");
    let par = page.text("[data-office=PAR]").await?;
    assert!(par.contains("Its box has never reported"), "{par}");
    page.appear("[data-office=LON][data-glance=trouble]", SOON).await?;
    let lon = page.text("[data-office=LON]").await?;
    assert!(lon.contains("changed and not published"), "{lon}");
    assert!(page.text("#broker").await?.contains("Connected"));
    if let Some(file) = std::env::var_os("BRANCHLINE_SCREENSHOT") {
        page.screenshot(file.as_ref()).await?;
    }
    office.kill();
    page.appear("[data-office=BRU][data-glance=away]", SOON).await?;
    let logs = page.logs().await?;
    let broken = |line: &&String| !line.contains("401");
    assert_eq!(logs.iter().filter(broken).collect::<Vec<_>>(), Vec::<&String>::new());
    troubled.close().await
}
