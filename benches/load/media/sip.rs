//! Calls by SIP: a protected phone calls a plain one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline::media::srtp::{SrtpReceiver, SrtpSender};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::browser::{self, Browser};
use super::description::{Described, sdes_key};
use super::traffic::End;
use super::{Hold, Pair, Protection, SetUp};
use crate::cpu;
use crate::link::Dial;
use crate::order::{Passwords, Transport, value};
use crate::phone::{Dialog, Phone, SDES_KEY};

/// Numbers of plain phones, of phones with SDES, of browsers.
const PLAIN: u32 = 2001;
const SECURE: u32 = 3001;
const BROWSER: u32 = 4001;

/// Calls that are up.
pub(crate) struct Up {
    runtime: Runtime,
    callers: Vec<(Phone, Dialog)>,
    answering: Vec<JoinHandle<()>>,
    leave: Arc<Notify>,
}

impl Up {
    /// Hangs all up.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.runtime.block_on(async {
            let mut ended = Ok(());
            for (phone, dialog) in &mut self.callers {
                ended = ended.and(phone.end_call(dialog).await).and(phone.unregister().await);
            }
            // The last callee hears of it too.
            tokio::time::sleep(Duration::from_millis(200)).await;
            self.leave.notify_waiters();
            for task in self.answering {
                let _ = tokio::time::timeout(Duration::from_secs(3), task).await;
            }
            ended
        })
    }
}

/// Registers two phones for each call, and calls. `pid` is the server's.
pub(crate) fn set_up(
    calls: u16,
    protection: Protection,
    signals_on_tls: bool,
    pid: u32,
) -> io::Result<SetUp> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let site = Site::read(protection, signals_on_tls)?;
    let mut up = Up { runtime, callers: Vec::new(), answering: Vec::new(), leave: Arc::new(Notify::new()) };
    let numbers = 0..u32::from(calls);
    let named = |number: u32| move |error| io::Error::other(format!("call {number}: {error}"));
    let phones = up.runtime.block_on(async {
        let mut phones = Vec::new();
        for number in numbers.clone() {
            phones.push(site.phones(number, &up.leave).await.map_err(named(number))?);
        }
        io::Result::Ok(phones)
    })?;
    let memory = cpu::memory_of_tree(pid);
    let mut pairs = Vec::new();
    let called = up.runtime.block_on(async {
        for (number, phones) in numbers.zip(phones) {
            let Registered { pair, caller, answering, offers } = phones;
            up.answering.push(answering);
            let (pair, caller) = Box::pin(call(number, pair, caller, offers)).await.map_err(named(number))?;
            pairs.push(pair);
            up.callers.push(caller);
        }
        io::Result::Ok(())
    });
    called?;
    browser::connect(&mut pairs)?;
    Ok(SetUp { pairs, hold: Hold::Sip(up), memory })
}

/// The phones of a call to be.
struct Registered {
    pair: Pair,
    caller: Phone,
    answering: JoinHandle<()>,
    offers: mpsc::UnboundedReceiver<Vec<u8>>,
}

async fn call(
    number: u32,
    mut pair: Pair,
    mut caller: Phone,
    mut offers: mpsc::UnboundedReceiver<Vec<u8>>,
) -> io::Result<(Pair, (Phone, Dialog))> {
    let dialog = caller.begin_call(PLAIN + number).await?;
    let offer = offers.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
    pair[1].to = Described::read(&offer)?.address;
    let answer = Described::read(dialog.answer())?;
    pair[0].to = answer.address;
    match &mut pair[0].browser {
        Some(browser) => browser.answered(&answer)?,
        None => protect(&mut pair[0], &answer)?,
    }
    Ok((pair, (caller, dialog)))
}

/// The server, and how its phones reach it.
struct Site {
    protection: Protection,
    plain: Dial,
    secure: Dial,
    realm: String,
    passwords: Passwords,
}

impl Site {
    /// A browser signals on a WebSocket, except where the server takes its media from any phone.
    fn read(protection: Protection, signals_on_tls: bool) -> io::Result<Self> {
        let address = |name: &str| -> io::Result<SocketAddr> {
            let found = value(name).and_then(|text| text.parse().ok());
            found.ok_or_else(|| io::Error::other(format!("{name} ADDRESS is missing")))
        };
        let secure = match protection {
            Protection::Dtls if !signals_on_tls => Dial::new(address("--https")?, Transport::Wss),
            _ => Dial::new(address("--tls")?, Transport::Tls),
        };
        Ok(Self {
            protection,
            plain: Dial::new(address("--udp")?, Transport::Udp),
            secure,
            realm: value("--realm").unwrap_or_default(),
            passwords: Passwords::read(),
        })
    }

    async fn phones(&self, number: u32, leave: &Arc<Notify>) -> io::Result<Registered> {
        let mut pair = [End::new()?, End::new()?];
        let (answering, offers) = self.answering(PLAIN + number, &pair[1], leave).await?;
        let caller = self.caller(number, &mut pair[0]).await?;
        Ok(Registered { pair, caller, answering, offers })
    }

    async fn answering(
        &self,
        number: u32,
        end: &End,
        leave: &Arc<Notify>,
    ) -> io::Result<(JoinHandle<()>, mpsc::UnboundedReceiver<Vec<u8>>)> {
        let mut phone = self.phone(number, &self.plain).await?;
        phone.listen_at(end.port()?);
        phone.register().await?;
        let leave = Arc::clone(leave);
        let (offered, offers) = mpsc::unbounded_channel();
        let answering = tokio::spawn(async move {
            phone.answer_calls(&leave, |offer| drop(offered.send(offer.to_vec()))).await;
            drop(phone.unregister().await);
        });
        Ok((answering, offers))
    }

    async fn caller(&self, number: u32, end: &mut End) -> io::Result<Phone> {
        let first = if self.protection == Protection::Sdes { SECURE } else { BROWSER };
        let mut phone = self.phone(first + number, &self.secure).await?;
        match self.protection {
            Protection::Sdes => phone.listen_at(end.port()?),
            Protection::Dtls => {
                let browser = Browser::new(number, end.port()?)?;
                phone.describe(browser.offer());
                end.browser = Some(browser);
            }
        }
        phone.register().await?;
        Ok(phone)
    }

    async fn phone(&self, number: u32, dial: &Dial) -> io::Result<Phone> {
        Ok(Phone::new(number, &self.realm, self.passwords.of(number), dial.open().await?))
    }
}

/// SDES: our key is known, the server's is in its description.
pub(crate) fn protect(end: &mut End, described: &Described) -> io::Result<()> {
    let own = sdes_key(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{SDES_KEY}"));
    let (Some(own), Some(theirs)) = (own, described.key.clone()) else {
        return Err(io::Error::other("the server's description has no key"));
    };
    end.sender = Some(SrtpSender::new(own));
    end.receiver = Some(SrtpReceiver::new(theirs));
    Ok(())
}
