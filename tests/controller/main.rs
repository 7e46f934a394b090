//! The controller as central ops use it: REST and page, against a real broker and real boxes.

mod certificates;
mod cluster;
mod desk;
mod offices;
mod outage;
mod page;
mod permissions;
#[path = "../uplink/sites.rs"]
#[expect(dead_code, reason = "the uplink's tests use all of it")]
mod sites;
mod tokens;

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
