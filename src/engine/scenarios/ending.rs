//! The end of a scenario: nothing may be left, and nobody may be sent anything more.

use super::world::{World, first_line, is_trying, seconds};

impl World {
    /// The end of a scenario: every peer has read all, time runs out, and nothing is left or comes any more.
    pub(super) fn finish(mut self) {
        self.is_quiet();
        self.wait(seconds(200));
        self.is_quiet();
        for _ in 0..30 {
            if self.engine.transactions() == (0, 0) {
                break;
            }
            self.wait(seconds(1));
        }
        let left = self.engine.residue();
        assert!(left.is_empty(), "left over: {left:?}");
        assert!(self.ledger.is_settled(), "media: {:?}", self.ledger);
    }

    /// Nobody was sent anything that the script does not mention.
    pub(super) fn is_quiet(&self) {
        for wire in &self.peers {
            let unread: Vec<_> =
                wire.inbox.iter().filter(|message| !is_trying(message)).map(first_line).collect();
            assert!(unread.is_empty(), "{} was also sent {unread:?}", wire.number);
        }
    }
}
