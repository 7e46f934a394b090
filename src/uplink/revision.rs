//! Revisions: which set is newer, and which must not come again.
//!
//! A box remembers the highest revision that it ever put in force, though it may have been rolled back since.
//!
//! | the set that came | verdict |
//! | --- | --- |
//! | is for another office | `foreign` |
//! | has the digest of the one in force | in force already: a retained message came again |
//! | its revision is lower than the highest | `stale` |
//! | its revision is the highest, which was rolled back | `replayed` |
//! | its revision is the highest, its content is another | `conflict` |
//! | its revision is higher | may be checked |

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use crate::engine::numbering::OfficeId;
use crate::engine::routing::Revision;

/// The highest revision: the largest integer that every JSON reader keeps exact (RFC 7493 §2.2). The lowest is 1.
pub const LAST_REVISION: Revision = Revision((1 << 53) - 1);

/// The revision after this one. `None` after the last.
pub fn next_revision(revision: Revision) -> Option<Revision> {
    (revision < LAST_REVISION).then(|| Revision(revision.0 + 1))
}

/// What a box remembers of the sets it had: kept on flash with the set in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Watermark {
    /// The digest of the set in force.
    pub in_force: Option<Digest>,
    /// The highest revision that was ever in force, and its digest.
    pub highest: Option<(Revision, Digest)>,
}

impl Watermark {
    /// After the set of this revision and digest went into force.
    pub fn applied(&mut self, revision: Revision, digest: Digest) {
        self.in_force = Some(digest);
        if self.highest.is_none_or(|(highest, _)| revision >= highest) {
            self.highest = Some((revision, digest));
        }
    }

    /// After the set in force gave way to the one before it, or to none.
    pub fn rolled_back(&mut self, to: Option<Digest>) {
        self.in_force = to;
    }

    /// Whether a set may be checked further; the module's table.
    pub fn judge(&self, own: OfficeId, office: OfficeId, revision: Revision, digest: &Digest) -> Verdict {
        if own != office {
            return Verdict::Foreign;
        }
        if self.in_force.as_ref() == Some(digest) {
            return Verdict::InForce;
        }
        match &self.highest {
            Some((highest, _)) if revision < *highest => Verdict::Stale(*highest),
            Some((highest, its)) if revision == *highest && its == digest => Verdict::Replayed,
            Some((highest, _)) if revision == *highest => Verdict::Conflict,
            _ => Verdict::Newer,
        }
    }
}

/// What a set's office and revision say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be checked further.
    Newer,
    /// It is in force already.
    InForce,
    /// It is for another office.
    Foreign,
    /// A higher revision, this one, was in force already.
    Stale(Revision),
    /// It was in force and was rolled back.
    Replayed,
    /// Another set of the same revision was in force.
    Conflict,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_row_by_row() {
        let [own, other]: [OfficeId; 2] = ["BRU", "PAR"].map(|id| id.parse().unwrap());
        let [old, new, third] = [b"1", b"2", b"3"].map(|text| Digest::of(text));
        let revision = Revision;
        let mut mark = Watermark::default();
        assert_eq!(mark.judge(own, own, revision(1), &old), Verdict::Newer);
        mark.applied(revision(4), old);
        mark.applied(revision(5), new);
        assert_eq!(mark.judge(own, other, revision(6), &third), Verdict::Foreign);
        assert_eq!(mark.judge(own, own, revision(5), &new), Verdict::InForce);
        assert_eq!(mark.judge(own, own, revision(4), &old), Verdict::Stale(revision(5)));
        assert_eq!(mark.judge(own, own, revision(5), &third), Verdict::Conflict);
        assert_eq!(mark.judge(own, own, revision(6), &third), Verdict::Newer);
        mark.rolled_back(Some(old));
        assert_eq!(mark.judge(own, own, revision(5), &new), Verdict::Replayed);
        assert_eq!(mark.judge(own, own, revision(4), &old), Verdict::InForce);
        assert_eq!(mark.highest, Some((revision(5), new)));
    }

    #[test]
    fn revisions_end() {
        assert_eq!(next_revision(Revision(7)), Some(Revision(8)));
        assert_eq!(next_revision(LAST_REVISION), None);
    }
}
