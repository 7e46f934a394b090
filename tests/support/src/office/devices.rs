//! The phones, browsers and pages of an office.

use std::path::PathBuf;

use super::{Account, Office, REALM};
use crate::Outcome;
use crate::baresip::{self, Baresip};
use crate::browser::{self, Browser};
use crate::certs;
use crate::phone::{Algorithm, Phone, Settings, TlsIdentity, Transport};
use crate::phone_page::PhonePage;
use crate::softphone::Softphone;
use crate::wan;

impl Office {
    /// The settings of a UDP phone of this account.
    pub fn udp(&self, account: &Account) -> Settings {
        let mut settings = Settings::new(&account.extension, self.places.udp)
            .with_password(&account.password, Algorithm::Sha256);
        REALM.clone_into(&mut settings.domain);
        if self.place.is_some() {
            settings.local = (wan::TEST, 0).into();
        }
        settings.display_name = Some(format!("Phone {}", account.extension));
        settings
    }

    /// The settings of a TLS phone of this account, without a certificate of its own.
    pub fn tls(&self, account: &Account) -> Settings {
        self.tls_as(account, None)
    }

    /// The same with a certificate and key.
    pub fn tls_as(&self, account: &Account, own: Option<(PathBuf, PathBuf)>) -> Settings {
        let server_name = self.places.tls.ip().to_string();
        let identity = TlsIdentity { authority: self.authority(), server_name, own };
        let mut settings = self.udp(account).over(Transport::Tls(identity));
        settings.server = self.places.tls;
        settings
    }

    /// A registered UDP phone of a fresh account.
    pub async fn phone(&self) -> Outcome<(Account, Phone)> {
        let account = self.account()?;
        let mut phone = Phone::open(self.udp(&account)).await?;
        phone.register().await?;
        Ok((account, phone))
    }

    /// A registered baresip with TLS and SDES, of a fresh account, whose microphone has this tone.
    pub async fn baresip(&self, tone: f64) -> Outcome<(Account, Baresip)> {
        let account = self.account()?;
        let setup =
            baresip::Setup::tls(&account.extension, &account.password, self.places.tls, &self.authority());
        let mut baresip = Baresip::start(baresip::Setup { tone, ..setup }).await?;
        baresip.registered().await?;
        Ok((account, baresip))
    }

    /// A browser that trusts this office, whose microphone has this tone.
    pub async fn browser(&self, tone: u32) -> Outcome<Browser> {
        let spki = vec![certs::spki_of(&self.scratch.join("ca/issued/server.key"))?];
        Browser::start(browser::Setup { tone, spki }).await
    }

    /// The phone page of a fresh account, signed in.
    pub async fn page(&self, browser: &Browser) -> Outcome<(Account, PhonePage)> {
        let account = self.account()?;
        let page = self.page_of(browser, &account).await?;
        Ok((account, page))
    }

    /// The phone page of this office, on which this account signed in.
    pub async fn page_of(&self, browser: &Browser, account: &Account) -> Outcome<PhonePage> {
        PhonePage::open(browser, self.places.https, account).await
    }

    /// A registered JsSIP softphone of a fresh account.
    pub async fn softphone(&self, browser: &Browser) -> Outcome<(Account, Softphone)> {
        let account = self.account()?;
        let wss = format!("wss://{}/sip", self.places.https);
        let uri = format!("sip:{}@{REALM}", account.extension);
        let softphone = Softphone::open(browser, &wss, &uri, &account.password).await?;
        softphone.registered().await?;
        Ok((account, softphone))
    }
}
