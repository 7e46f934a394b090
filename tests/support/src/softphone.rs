//! JsSIP in a Chromium page: a softphone of the world outside, SIP over secure WebSocket (RFC 7118).

use std::time::Duration;

use serde_json::{Value, json};

use crate::Outcome;
use crate::browser::{Browser, Page, PageSetup};

const SOON: Duration = Duration::from_secs(10);
/// The page that it lives on; it exists in the browser only.
const HOME: &str = "https://softphone.test/";

/// A JsSIP softphone in a page.
pub struct Softphone {
    /// The page it lives on.
    pub page: Page,
}

impl Softphone {
    /// Opens the page, and has it register at `wss://…` as `sip:…`.
    pub async fn open(browser: &Browser, wss: &str, uri: &str, password: &str) -> Outcome<Self> {
        let serve = json!({
            HOME: "softphone.html",
            format!("{HOME}softphone.js"): "softphone.js",
            format!("{HOME}jssip.js"): browser.libraries().join("jssip.js"),
        });
        let page = browser.open_served(HOME, &PageSetup::default(), serve).await?;
        let account = json!({ "server": wss, "uri": uri, "password": password });
        page.evaluate(&format!("softphone.start({account})")).await?;
        Ok(Self { page })
    }

    /// Waits until it is registered.
    pub async fn registered(&self) -> Outcome {
        self.page.wait("softphone.registered", SOON).await.map(drop)
    }

    /// Calls a number or URI.
    pub async fn call(&self, target: &str) -> Outcome {
        self.page.evaluate(&format!("softphone.call({})", json!(target))).await.map(drop)
    }

    /// Waits until it is called; returns the caller's user part and display name.
    pub async fn called(&self) -> Outcome<(String, String)> {
        let caller = self.page.wait("softphone.ringing", SOON).await?;
        let word = |name: &str| caller[name].as_str().unwrap_or_default().to_owned();
        Ok((word("user"), word("name")))
    }

    /// Answers.
    pub async fn answer(&self) -> Outcome {
        self.page.evaluate("softphone.answer()").await?;
        self.established().await
    }

    /// Waits until the call is up.
    pub async fn established(&self) -> Outcome {
        self.page.wait("softphone.isEstablished()", SOON).await.map(drop)
    }

    /// Hangs up.
    pub async fn hang_up(&self) -> Outcome {
        self.page.evaluate("softphone.hangUp()").await.map(drop)
    }

    /// Waits until the call is over; returns `{by, cause, code, reason}`.
    pub async fn ended(&self) -> Outcome<Value> {
        self.page.wait("softphone.ended", SOON).await
    }

    /// Sends digits as RFC 4733 events.
    pub async fn send_digits(&self, digits: &str) -> Outcome {
        self.page.evaluate(&format!("softphone.sendDigits({})", json!(digits))).await.map(drop)
    }
}
