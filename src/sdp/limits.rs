//! How much of a description is read: every bound a stranger's SDP meets.

/// Largest description read, in bytes. Chromium's audio and video offer with candidates has about 9 KiB.
pub const MAX_BYTES: usize = 32 * 1024;
/// Most lines in one description.
pub const MAX_LINES: usize = 1_024;
/// Longest line, in bytes without its line end.
pub const MAX_LINE_BYTES: usize = 4_096;
/// Most media sections (`m=` lines).
pub const MAX_MEDIA: usize = 16;
/// Most formats on one `m=` line.
pub const MAX_FORMATS: usize = 64;
/// Most attributes on the session level, and in each media section.
pub const MAX_ATTRIBUTES: usize = 512;
/// Most `a=candidate` lines in one media section.
pub const MAX_CANDIDATES: usize = 64;
/// Most `a=crypto` lines in one media section.
pub const MAX_CRYPTO: usize = 16;
/// Most codecs one side can agree on in one section, and so the size of a [`super::PayloadMap`].
pub const MAX_AGREED_CODECS: usize = 16;
