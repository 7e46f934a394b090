//! Reading decisions from the fuzzer's bytes.

/// The bytes that are left. When there are no more, every decision is the zeroth.
#[derive(Clone, Copy, Debug)]
pub struct BytesIn<'a>(&'a [u8]);

impl<'a> BytesIn<'a> {
    /// All of `data`.
    pub const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Two bytes, the first the higher.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is none.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// At most `length` bytes.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// As many bytes as the next two say, at most `most`.
    pub fn piece(&mut self, most: usize) -> &'a [u8] {
        let length = usize::from(self.short()) % (most + 1);
        self.take(length)
    }
}
