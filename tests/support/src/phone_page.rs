//! Branchline's phone page as a person uses it: what is clicked, what is read.

use std::net::SocketAddr;
use std::time::Duration;

use crate::Outcome;
use crate::browser::{Browser, Page};
use crate::office::Account;

const SOON: Duration = Duration::from_secs(15);

/// The page in a browser, signed in.
pub struct PhonePage {
    /// The browser's page.
    pub page: Page,
}

impl PhonePage {
    /// Opens the page and signs in with extension and password.
    pub async fn open(browser: &Browser, https: SocketAddr, account: &Account) -> Outcome<Self> {
        let page = browser.open(&format!("https://{https}/")).await?;
        let this = Self { page };
        this.page.appear("#signin-extension", SOON).await?;
        this.page.fill("#signin-extension", &account.extension).await?;
        this.page.fill("#signin-password", &account.password).await?;
        this.page.click("#signin-submit").await?;
        this.registered().await?;
        Ok(this)
    }

    /// Waits until the page is connected, and can be called.
    pub async fn registered(&self) -> Outcome {
        let ready = "document.querySelector('#link').dataset.state === 'registered'";
        self.page.wait(ready, SOON).await.map(drop)
    }

    /// Dials a number.
    pub async fn dial(&self, number: &str) -> Outcome {
        self.page.fill("#number", number).await?;
        self.page.click("#dial").await
    }

    /// Waits until somebody calls; returns the number and the name that the page shows.
    pub async fn called(&self) -> Outcome<(String, String)> {
        self.page.appear("#incoming[open]", SOON).await?;
        Ok((self.page.text("#incoming-number").await?, self.page.text("#incoming-name").await?))
    }

    /// Waits until nobody calls any more.
    pub async fn stops_ringing(&self) -> Outcome {
        self.page.wait("!document.querySelector('#incoming').open", SOON).await.map(drop)
    }

    /// Answers, and waits until the call is up.
    pub async fn answer(&self) -> Outcome {
        self.page.click("#accept").await?;
        self.up().await
    }

    /// Declines.
    pub async fn reject(&self) -> Outcome {
        self.page.click("#reject").await
    }

    /// Waits until the call is up.
    pub async fn up(&self) -> Outcome {
        self.state("up").await
    }

    /// Waits until the call on stage is in this state.
    pub async fn state(&self, state: &str) -> Outcome {
        let code = format!("document.querySelector('#stage').dataset.state === '{state}'");
        self.page.wait(&code, SOON).await.map(drop)
    }

    /// What the stage says of the call.
    pub async fn words(&self) -> Outcome<String> {
        self.page.text("#stage-state").await
    }

    /// Hangs up.
    pub async fn hang_up(&self) -> Outcome {
        self.page.click("#hangup").await
    }

    /// Waits until the call is over.
    pub async fn ended(&self) -> Outcome {
        let gone = "document.querySelector('#stage').hidden || document.querySelector('#stage').dataset.state === 'ended'";
        self.page.wait(gone, SOON).await.map(drop)
    }

    /// Presses the hold button: holds, or takes back.
    pub async fn hold(&self) -> Outcome {
        self.page.click("#hold").await
    }

    /// Types digits into the call.
    pub async fn send_digits(&self, digits: &str) -> Outcome {
        self.page.evaluate("document.activeElement?.blur()").await?;
        for digit in digits.chars() {
            self.page.press(&digit.to_string()).await?;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        Ok(())
    }
}
