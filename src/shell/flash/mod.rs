//! Small values on flash that survive anything: a log that is only ever appended to.
//!
//! [`FlashLog`] keeps values by name behind embedded-svc's `RawStorage`, so that a microcontroller's flash could stand in
//! for the file. What is set is in force at once and durable after [`FlashLog::commit`], which costs one write and one
//! fdatasync however much was set: the caller decides how often. When most of the file is out of date it is written anew
//! beside itself and takes the old one's place by a rename.
//!
//! | trouble | what happens |
//! | --- | --- |
//! | killed or cut off in a write | the torn record is passed over; all that was committed is there |
//! | a bit flips | its record is passed over; the name's older value counts if it is still in the file |
//! | disk full | [`FlashError::DiskFull`]; what was set waits and is written by the next commit |
//! | disk full while the file is written anew | the old file stays in use; tried again after it has grown |
//! | the log's own limit | [`FlashError::Full`], before anything is written |
//!
//! | file | what is there |
//! | --- | --- |
//! | `crc`, `record` | a record, and how one is told from damage |
//! | `log` | the log |
//! | `renewal` | writing the file anew |
//! | `storage` | the log behind embedded-svc's traits |
//! | `figures` | what was written, for metrics |
//! | `roaming` | the roaming cache's values, written by a thread of their own |

mod crc;
mod error;
mod figures;
mod log;
mod record;
mod renewal;
mod roaming;
mod storage;

pub use error::FlashError;
pub use figures::{FlashCounters, FlashFigures};
pub use log::{FlashLog, FlashOptions};
pub use record::{LONGEST_NAME, LONGEST_VALUE};
pub use roaming::{RoamingStore, RoamingStoreOptions, Stored};
pub use storage::Postcard;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
