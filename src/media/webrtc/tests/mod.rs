//! Ends against a browser's stand-in, over a simulated network, in virtual time.

mod browser;
mod connect;
mod cost;
mod loss;
mod refuse;
mod restart;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::dtls::DtlsIdentity;
use super::end::{EndEvent, EndSetup, RemoteSetup};
use super::ice::IceMode;
use super::reason::PacketDrop;
use super::table::EndTable;
use super::{EndFailure, credentials_from_random};
use crate::media::EndId;
use crate::media::end::SrtpKeys;
use crate::sdp::{Candidate, Fingerprint, IceCredentials, SetupRole};
use browser::{Browser, BrowserDtls, library_certificate, library_dtls, our_dtls};
use wire::{Datagram, Wire};

const END: EndId = EndId::new(3, 0);
const LITE: IceMode = IceMode::Lite;

fn gateway() -> SocketAddr {
    "192.0.2.10:7000".parse().unwrap()
}

fn browser_address(host: u8) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::from([192, 0, 2, host]), 50_000)
}

fn credentials(salt: u8) -> IceCredentials {
    credentials_from_random(&std::array::from_fn(|i| {
        salt.wrapping_mul(37).wrapping_add((i as u8).wrapping_mul(11))
    }))
    .unwrap()
}

/// One certificate for all tests of a process.
fn identity() -> Arc<DtlsIdentity> {
    static MADE: OnceLock<Arc<DtlsIdentity>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["branchline".to_owned()]).unwrap();
        let key = made.signing_key.serialize_der();
        Arc::new(DtlsIdentity::new(made.cert.der().to_vec(), &key).unwrap())
    });
    Arc::clone(made)
}

fn full(controlling: bool) -> IceMode {
    IceMode::Full { controlling, seed: [7; 32] }
}

fn end_setup(salt: u8, mode: IceMode) -> EndSetup {
    EndSetup { local: credentials(salt), mode, identity: identity(), addresses: vec![gateway()] }
}

fn remote_setup(credentials: IceCredentials, fingerprint: Fingerprint, setup: SetupRole) -> RemoteSetup {
    RemoteSetup { credentials, ice_lite: false, fingerprints: vec![fingerprint], setup }
}

/// A gateway with one end, a browser, a network and a clock.
struct Rig {
    now: Instant,
    base: Instant,
    table: EndTable,
    browser: Browser,
    wire: Wire,
    events: Vec<EndEvent>,
    validated: Vec<SocketAddr>,
    drops: Vec<PacketDrop>,
}

impl Rig {
    /// Opens the end; the browser knows its candidate; signalling is done.
    fn new(seed: u64, mode: IceMode) -> Self {
        let mut rig = Self::before_signalling(seed, mode);
        rig.signal(credentials(2), library_certificate().1, SetupRole::ActPass);
        rig
    }

    /// The end is open and the browser has its credentials, but not its candidate; the end knows nothing.
    fn before_signalling(seed: u64, mode: IceMode) -> Self {
        let now = Instant::now();
        let mut table = EndTable::new(4);
        table.open(now, END, end_setup(1, mode)).unwrap();
        let browser_controls = !matches!(mode, IceMode::Full { controlling: true, .. });
        let mut browser = Browser::new(now, browser_address(20), &credentials(2), browser_controls);
        browser.dtls = library_dtls(browser.address);
        let ours = credentials(1);
        let (ufrag, password) = (ours.ufrag().to_owned(), ours.password().to_owned());
        browser.agent.start_connectivity_checks(now, browser_controls, ufrag, password).unwrap();
        Self {
            now,
            base: now,
            table,
            browser,
            wire: Wire::new(seed),
            events: Vec::new(),
            validated: Vec::new(),
            drops: Vec::new(),
        }
    }

    fn signal(&mut self, credentials: IceCredentials, fingerprint: Fingerprint, setup: SetupRole) {
        self.table.set_remote(self.now, END, remote_setup(credentials, fingerprint, setup)).unwrap();
        let candidate = Candidate::host(self.browser.address, "1", 65_535);
        self.table.add_remote_candidate(END, &candidate).unwrap();
        self.browser.knows(gateway());
        self.flush();
    }

    /// Runs until `done`, or for `span`; true if done.
    fn run_until(&mut self, span: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + span;
        for _ in 0..200_000 {
            if done(self) {
                return true;
            }
            let browser = if self.browser.gone { None } else { self.browser.poll_timeout() };
            let next = [self.wire.next(), self.table.poll_timeout(), browser];
            match next.into_iter().flatten().min().filter(|next| *next <= end) {
                Some(next) => self.step(next.max(self.now)),
                None => break,
            }
        }
        self.now = end;
        done(self)
    }

    fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    fn connect(&mut self) -> (SocketAddr, SrtpKeys) {
        assert!(self.run_until(Duration::from_secs(10), |rig| rig.ours().is_some()), "{:?}", self.events);
        self.run_until(Duration::from_secs(5), |rig| rig.browser.keys.is_some());
        self.ours().unwrap()
    }

    /// The remote address and the keys of [`EndEvent::Connected`].
    fn ours(&self) -> Option<(SocketAddr, SrtpKeys)> {
        self.events.iter().find_map(|event| match event {
            EndEvent::Connected { remote, keys } => Some((*remote, (**keys).clone())),
            _ => None,
        })
    }

    fn failure(&self) -> Option<EndFailure> {
        self.events.iter().find_map(|event| match event {
            EndEvent::Failed(why) => Some(*why),
            _ => None,
        })
    }

    fn assert_keys_agree(&self) {
        let (ours, theirs) =
            (self.ours().unwrap().1, self.browser.keys.clone().expect("the browser has keys"));
        assert_eq!((ours.send, ours.receive), (theirs.receive, theirs.send));
    }

    fn step(&mut self, now: Instant) {
        self.now = now;
        while let Some(Datagram { from, to, bytes }) = self.wire.arrived(now) {
            if to == gateway() {
                self.drops.extend(self.table.handle_packet(now, from, &bytes).err());
            } else if to == self.browser.address && !self.browser.gone {
                self.browser.handle(now, from, &bytes);
            }
            self.flush();
        }
        self.table.handle_timeout(now);
        if !self.browser.gone && self.browser.poll_timeout().is_some_and(|at| at <= now) {
            self.browser.handle_timeout(now);
        }
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(out) = self.table.poll_transmit() {
            self.wire.send(self.now, Datagram { from: gateway(), to: out.to, bytes: out.bytes });
        }
        while let Some((to, bytes)) = self.browser.poll_transmit() {
            if !self.browser.gone {
                self.wire.send(self.now, Datagram { from: self.browser.address, to, bytes });
            }
        }
        while let Some((_, event)) = self.table.poll_event() {
            match event {
                EndEvent::PathValidated { remote } => self.validated.push(remote),
                other => self.events.push(other),
            }
        }
    }
}
