//! Dialogs (RFC 3261 §12) and session timers (RFC 4028), as values.
//!
//! | file | what |
//! | --- | --- |
//! | `id` | [`DialogId`]: Call-ID and the two tags |
//! | `dialog` | [`Dialog`]: made from a request or a response; makes requests, ACK, PRACK, BYE, responses |
//! | `route_set` | [`RouteSet`]: Record-Route, loose and strict routing (§12.1, §12.2.1.1, §16.12) |
//! | `opening` | [`Opening`]: the request that may create a dialog |
//! | `index` | [`Dialogs`]: which leg a message belongs to, bounded |
//! | `session_timer` | negotiation and deadlines of RFC 4028 |
//!
//! # States of a dialog
//!
//! | state | event | next |
//! | --- | --- | --- |
//! | – | UAS: the user answers with 101–199 and a tag; UAC: 101–199 with a tag | Early |
//! | –, Early | UAS: 2xx sent; UAC: 2xx (route set and target are taken from it anew, §13.2.2.4) | Confirmed |
//! | Early | final response 300–699 | the user drops it |
//! | Early, Confirmed | INVITE, UPDATE or its 2xx with a Contact | same, new remote target |
//! | Confirmed | BYE either way | the user drops it |

#[expect(clippy::module_inception, reason = "RFC 3261 has no other name for it")]
mod dialog;
mod id;
mod index;
mod opening;
mod route_set;
pub mod session_timer;
#[cfg(test)]
mod tests;

pub use dialog::{Dialog, DialogRefusal, DialogState};
pub use id::DialogId;
pub use index::{Dialogs, IndexFull};
pub use opening::Opening;
pub use route_set::RouteSet;
