//! The engine as a whole, in virtual time, against scripted peers.
//!
//! Each file is one behaviour; each test reads like a script of the wire. After every step the media orders must
//! balance; at the end of each scenario nothing may be left in any table, and nobody may be sent anything more.

mod asterisk_down;
mod caller_id;
mod cancelling;
mod descriptions;
mod direct;
mod failing;
mod holding;
mod ledger;
mod pages;
mod phones;
mod returning;
mod ringing;
mod through_asterisk;
mod world;
