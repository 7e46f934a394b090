//! What we tell Asterisk about our extensions.
//!
//! | file | what is there |
//! | --- | --- |
//! | `sections` | the files that Asterisk includes: an endpoint, a hint and a mailbox per extension |

mod sections;

pub use sections::{MirroredExtension, RenderedFile, render};
