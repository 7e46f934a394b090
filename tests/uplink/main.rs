//! The uplink of the real daemon against a real Mosquitto with TLS and client certificates.

mod commands;
mod events;
mod routes;
mod sessions;
mod sites;

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
