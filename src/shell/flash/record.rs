//! A record of the log, and how records are told from damage.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | mark, `0xb7` |
//! | 1 | kind: 1 put, 2 remove |
//! | 1 | length of the name, not 0 |
//! | 3 | length of the value, little-endian, at most [`LONGEST_VALUE`] |
//! | 6 | sequence, little-endian: each record's is above those before it |
//! | 4 | CRC-32C of all the rest |
//! | | name, value |
//!
//! Where no whole record begins, the search goes on byte by byte until one does: a torn or flipped record costs itself,
//! never those behind it.

use std::io::{self, Read};

use super::crc::crc32c;

/// Bytes before the name.
pub(super) const HEADER: usize = 16;
/// Longest value, in bytes.
pub const LONGEST_VALUE: usize = 65_535;
/// Longest name, in bytes.
pub const LONGEST_NAME: usize = 255;
/// Longest record.
const LONGEST: usize = HEADER + LONGEST_NAME + LONGEST_VALUE;
/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

const MARK: u8 = 0xb7;
const PUT: u8 = 1;
const REMOVE: u8 = 2;

/// What a record says of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Remove,
}

/// A whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) sequence: u64,
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

impl<'a> Record<'a> {
    /// Bytes that it takes.
    pub(super) const fn length(&self) -> usize {
        HEADER + self.name.len() + self.value.len()
    }

    /// Appends it to `out`. Name and value are within their limits.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let kind = if self.kind == Kind::Put { PUT } else { REMOVE };
        let [a, b, c, ..] = u32::try_from(self.value.len()).unwrap_or(0).to_le_bytes();
        let [s0, s1, s2, s3, s4, s5, ..] = self.sequence.to_le_bytes();
        let name_length = u8::try_from(self.name.len()).unwrap_or(0);
        let head = [MARK, kind, name_length, a, b, c, s0, s1, s2, s3, s4, s5];
        let crc = crc32c(&[&head, self.name, self.value]);
        for part in [&head[..], &crc.to_le_bytes(), self.name, self.value] {
            out.extend_from_slice(part);
        }
    }

    /// The whole record that `bytes` begin with.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let &[mark, kind, name_length, a, b, c, s0, s1, s2, s3, s4, s5, c0, c1, c2, c3] = header;
        let kind = match (mark, kind) {
            (MARK, PUT) => Kind::Put,
            (MARK, REMOVE) => Kind::Remove,
            _ => return None,
        };
        let value_length = usize::try_from(u32::from_le_bytes([a, b, c, 0])).ok()?;
        if name_length == 0 || value_length > LONGEST_VALUE {
            return None;
        }
        let (name, rest) = rest.split_at_checked(usize::from(name_length))?;
        let value = rest.get(..value_length)?;
        let (head, _) = header.split_first_chunk::<12>()?;
        let is_whole = crc32c(&[head, name, value]) == u32::from_le_bytes([c0, c1, c2, c3]);
        let sequence = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, 0, 0]);
        is_whole.then_some(Self { kind, sequence, name, value })
    }
}

/// Reads records one after another.
pub(super) struct Scanner<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where in the buffer the next record should begin.
    at: usize,
    /// Where in the file the buffer begins.
    offset: u64,
    at_end: bool,
    /// Bytes that belong to no record.
    pub(super) damaged: u64,
}

impl<R: Read> Scanner<R> {
    /// Begins at the source's place, which is `offset` in the file.
    pub(super) fn new(source: R, offset: u64) -> Self {
        Self { source, buffer: Vec::new(), at: 0, offset, at_end: false, damaged: 0 }
    }

    /// The next whole record and where it begins.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Record<'_>)>> {
        loop {
            self.fill()?;
            let bytes = self.buffer.get(self.at..).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(None);
            }
            if let Some(length) = Record::read(bytes).map(|record| record.length()) {
                let from = self.at;
                self.at += length;
                let found = self.buffer.get(from..).and_then(Record::read);
                return Ok(found.map(|record| (self.offset + from as u64, record)));
            }
            self.at += 1;
            self.damaged += 1;
        }
    }

    /// Has the longest record at hand, or all that is left.
    fn fill(&mut self) -> io::Result<()> {
        if self.at_end || self.buffer.len() - self.at >= LONGEST {
            return Ok(());
        }
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        while self.buffer.len() < LONGEST + CHUNK && !self.at_end {
            let wanted = u64::try_from(CHUNK).unwrap_or(u64::MAX);
            self.at_end = self.source.by_ref().take(wanted).read_to_end(&mut self.buffer)? == 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64, name: &'static [u8], value: &'static [u8]) -> Record<'static> {
        Record { kind: Kind::Put, sequence, name, value }
    }

    #[test]
    fn a_record_comes_back_whole_or_not_at_all() {
        let wanted = record(0x0102_0304_0506, b"BRU/1001", b"value");
        let mut bytes = Vec::new();
        wanted.write(&mut bytes);
        assert_eq!(bytes.len(), wanted.length());
        assert_eq!(Record::read(&bytes), Some(wanted));
        for cut in 0..bytes.len() {
            assert_eq!(Record::read(&bytes[..cut]), None, "{cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::read(&flipped), None, "{bit}");
        }
    }

    #[test]
    fn what_lies_between_records_is_passed_over_and_counted() {
        let mut bytes = b"\xb7\x01garbage".to_vec();
        record(1, b"a", b"1").write(&mut bytes);
        bytes.extend([MARK; 5]);
        record(2, b"b", b"2").write(&mut bytes);
        bytes.extend([0; 3]);
        let mut scanner = Scanner::new(&bytes[..], 100);
        assert_eq!(scanner.next().unwrap(), Some((109, record(1, b"a", b"1"))));
        assert_eq!(scanner.next().unwrap(), Some((132, record(2, b"b", b"2"))));
        assert_eq!(scanner.next().unwrap(), None);
        assert_eq!(scanner.damaged, 9 + 5 + 3);
    }

    #[test]
    fn long_records_cross_the_chunks() {
        let value = vec![7; LONGEST_VALUE];
        let mut bytes = Vec::new();
        for sequence in 1..=5 {
            Record { kind: Kind::Remove, sequence, name: b"n", value: &value }.write(&mut bytes);
        }
        let mut scanner = Scanner::new(&bytes[..], 0);
        for sequence in 1..=5 {
            assert_eq!(scanner.next().unwrap().unwrap().1.sequence, sequence);
        }
        assert_eq!(scanner.next().unwrap(), None);
    }
}
