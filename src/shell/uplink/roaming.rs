//! What offices say to each other about extensions that roam: to and from whoever keeps that knowledge.
//!
//! The broker keeps the newest document of each extension and sends them all with every session, no faster than they are
//! taken care of. What this office says of the extensions that are here is said again to every broker.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::retained::Retained;
use super::session::Arrived;
use crate::engine::numbering::Extension;
use crate::uplink::Topic;

/// Hears what is said. While nobody holds one, nothing is subscribed to.
#[derive(Debug)]
pub struct RoamingEar(pub(super) mpsc::Receiver<Arrived>);

/// A document about an extension.
#[derive(Debug)]
pub struct Heard {
    /// The extension, as its topic names it.
    pub extension: Extension,
    arrived: Arrived,
}

impl RoamingEar {
    /// The next document. `None` when the uplink has ended. Loses none when dropped before it is ready.
    pub async fn hear(&mut self) -> Option<Heard> {
        loop {
            let arrived = self.0.recv().await?;
            match &arrived.topic {
                Topic::Roaming(extension) => return Some(Heard { extension: extension.clone(), arrived }),
                _ => arrived.done(),
            }
        }
    }
}

impl Heard {
    /// The document's bytes; none when it was cleared.
    pub fn document(&self) -> &Bytes {
        &self.arrived.payload
    }

    /// It is taken care of, and the broker may send another one.
    pub fn done(self) {
        self.arrived.done();
    }
}

/// Says where extensions are; cloning gives another.
#[derive(Clone, Debug)]
pub struct RoamingVoice(pub(super) Retained);

impl RoamingVoice {
    /// The extension is here: said to every broker until something else is said of it. Never waits. Whether there was
    /// room.
    pub fn is_here(&self, extension: Extension, document: Vec<u8>) -> bool {
        self.0.set(Topic::Roaming(extension), document)
    }

    /// The extension is gone, or somebody else's document has to be put right: said until one broker has it.
    pub fn say_once(&self, extension: Extension, document: Vec<u8>) -> bool {
        self.0.set_once(Topic::Roaming(extension), document)
    }
}
