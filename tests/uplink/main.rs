//! The uplink of the real daemon against a real Mosquitto with TLS and client certificates.

mod by_hand;
mod commands;
mod events;
mod ops;
mod probation;
mod roll_out;
mod routes;
mod sessions;
mod sites;

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
