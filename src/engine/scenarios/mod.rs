//! The engine as a whole, in virtual time, against scripted peers.
//!
//! Each file is one behaviour; each test reads like a script of the wire. After every step the media orders must
//! balance; at the end of each scenario nothing may be left in any table, and nobody may be sent anything more.

#![expect(clippy::format_push_string, reason = "scripts of the wire read best as they will look")]

mod alarms;
mod asterisk;
mod asterisk_down;
mod best_device;
mod caller_id;
mod cancelling;
mod carriers;
mod chaos;
mod connections;
pub(super) mod descriptions;
mod digits;
mod direct;
mod early_media;
mod emergencies;
mod emergency_location;
mod ending;
mod failing;
mod failover;
mod far_ends;
mod flows;
mod forged;
mod forking;
mod gateway;
mod holding;
mod late_offers;
pub(super) mod ledger;
mod limits;
mod loss;
mod messages;
mod mirroring;
mod numbers;
mod offices;
mod page_calls;
mod page_media;
mod pages;
mod permissions;
mod phones;
pub(super) mod proof;
mod records;
mod registering;
mod registering_on_flash;
mod registers;
mod reinviting;
mod returning;
mod ringing;
mod roamers;
mod roaming;
mod roaming_messages;
mod rules;
mod session_timers;
pub(crate) mod simulation;
mod through_asterisk;
mod vanishing;
mod visiting_pages;
mod world;
