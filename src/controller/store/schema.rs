//! Tables, written once for both databases, in steps from version to version.
//!
//! A step that was ever released is never changed: a new one is added. `TEXT` sorts by bytes in both.

use super::StoreError;

/// The version that this code writes.
pub(super) const VERSION: i64 = 3;

/// What a database calls the kinds of columns: of numbers, of numbers that it gives out, of bytes, of texts; and how a
/// table ends.
pub(super) struct Words {
    pub(super) number: &'static str,
    pub(super) serial: &'static str,
    pub(super) bytes: &'static str,
    pub(super) text: &'static str,
    pub(super) end: &'static str,
}

/// SQLite's.
pub(super) const EMBEDDED_WORDS: Words = Words {
    number: "INTEGER",
    serial: "INTEGER PRIMARY KEY AUTOINCREMENT",
    bytes: "BLOB",
    text: "TEXT",
    end: ") STRICT;",
};

/// PostgreSQL's.
pub(super) const POSTGRES_WORDS: Words = Words {
    number: "BIGINT",
    serial: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    bytes: "BYTEA",
    text: "TEXT COLLATE \"C\"",
    end: ");",
};

const STEPS: [&str; 3] = [FIRST, SECOND, THIRD];

/// `revision` outlives its office, so that a revision never comes again; what boxes said needs no office either.
const FIRST: &str = "
CREATE TABLE meta (name {text} PRIMARY KEY, value {text} NOT NULL {end}
CREATE TABLE api_key (name {text} PRIMARY KEY, hash {bytes} NOT NULL UNIQUE, created {number} NOT NULL {end}
CREATE TABLE office (
  id {text} PRIMARY KEY, name {text} NOT NULL, settings {text} NOT NULL, created {number} NOT NULL,
  content {text} NOT NULL DEFAULT '' {end}
CREATE TABLE link (
  office {text} NOT NULL REFERENCES office(id) ON DELETE CASCADE, id {text} NOT NULL, body {text} NOT NULL,
  PRIMARY KEY (office, id) {end}
CREATE TABLE route (
  id {serial}, office {text} NOT NULL REFERENCES office(id) ON DELETE CASCADE, body {text} NOT NULL {end}
CREATE INDEX route_of_office ON route (office, id);
CREATE TABLE token (
  id {serial}, hash {bytes} NOT NULL UNIQUE, name {text} NOT NULL,
  office {text} NOT NULL REFERENCES office(id) ON DELETE CASCADE, permissions {text} NOT NULL,
  created {number} NOT NULL, expires {number} NOT NULL, revoked {number} {end}
CREATE TABLE revision (office {text} PRIMARY KEY, highest {number} NOT NULL {end}
CREATE TABLE desired (
  office {text} NOT NULL REFERENCES office(id) ON DELETE CASCADE, revision {number} NOT NULL,
  digest {text} NOT NULL, content {text} NOT NULL, document {bytes} NOT NULL, created {number} NOT NULL,
  acknowledged {number}, PRIMARY KEY (office, revision) {end}
CREATE TABLE observed (
  office {text} NOT NULL, kind {text} NOT NULL, document {bytes} NOT NULL, heard {number} NOT NULL,
  PRIMARY KEY (office, kind) {end}
CREATE TABLE event_count (
  office {text} NOT NULL, kind {text} NOT NULL, count {number} NOT NULL, last_at {number} NOT NULL,
  last_document {bytes} NOT NULL, PRIMARY KEY (office, kind) {end}
CREATE TABLE event_mark (office {text} PRIMARY KEY, stream {text} NOT NULL, seq {number} NOT NULL {end}
";

/// Which offices an office may call through the gateway, as words; an office without a row may call all.
const SECOND: &str = "
CREATE TABLE permission (
  office {text} PRIMARY KEY REFERENCES office(id) ON DELETE CASCADE, may_call {text} NOT NULL {end}
";

/// Marks of several streams, because another controller may still hear the former one; and offices that were removed, so
/// that no broker goes on keeping their sets.
const THIRD: &str = "
CREATE TABLE event_seen (
  office {text} NOT NULL, stream {text} NOT NULL, seq {number} NOT NULL, touched {number} NOT NULL,
  PRIMARY KEY (office, stream) {end}
INSERT INTO event_seen (office, stream, seq, touched) SELECT office, stream, seq, 0 FROM event_mark;
DROP TABLE event_mark;
CREATE TABLE removed (
  office {text} PRIMARY KEY, revision {number} NOT NULL, at {number} NOT NULL, acknowledged {number} {end}
CREATE INDEX token_of_office ON token (office, id);
";

/// The statements that make a database of version `found` one of [`VERSION`].
pub(super) fn steps(found: i64, words: &Words) -> Result<Vec<String>, StoreError> {
    if found > VERSION {
        return Err(StoreError::Newer { found, known: VERSION });
    }
    let done = usize::try_from(found).unwrap_or(0);
    let pairs = [
        ("{number}", words.number),
        ("{serial}", words.serial),
        ("{bytes}", words.bytes),
        ("{text}", words.text),
        ("{end}", words.end),
    ];
    let written =
        |step: &&str| pairs.iter().fold((*step).to_owned(), |step, (name, word)| step.replace(name, word));
    Ok(STEPS.iter().skip(done).map(written).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_step_to_every_version_and_none_beyond() {
        let all = steps(0, &POSTGRES_WORDS).unwrap();
        assert_eq!(i64::try_from(all.len()), Ok(VERSION));
        assert!(all.iter().all(|step| !step.contains('{')), "every word was written");
        assert!(steps(VERSION, &EMBEDDED_WORDS).unwrap().is_empty());
        assert_eq!(
            steps(VERSION + 1, &EMBEDDED_WORDS),
            Err(StoreError::Newer { found: VERSION + 1, known: VERSION })
        );
    }
}
