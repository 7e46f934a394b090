//! All input and output: what the pure rooms decide is carried out here.

pub mod clock;
pub mod connectivity;
pub mod control;
pub mod daemon;
pub mod drain;
pub mod durable;
pub mod engine_task;
pub mod flash;
pub mod flows;
pub mod hex;
pub mod https;
mod idle;
pub mod journal;
pub mod links;
pub mod listen;
pub mod media;
pub mod pki;
mod run;
pub mod settings;
pub mod signals;
pub mod store;
pub mod systemd;
pub mod uplink;

pub use run::run;
