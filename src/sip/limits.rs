//! Every maximum of this room, in one place. What is larger is refused with a named reason, never cut.

/// Bytes of one message, start line to end of body.
pub const MESSAGE: usize = 64 * 1024;
/// Bytes of start line and headers together, on a stream.
pub const HEAD: usize = 32 * 1024;
/// Bytes of the start line.
pub const START_LINE: usize = 4 * 1024;
/// Header lines of one message (a folded header counts once).
pub const HEADERS: usize = 128;
/// Bytes of one header, name and folds included.
pub const HEADER: usize = 8 * 1024;
/// Bytes of a URI, wherever it stands.
pub const URI: usize = 2 * 1024;
/// Via values of one message. A request that started with the usual Max-Forwards of 70 cannot have more.
pub const VIAS: usize = 72;
/// Contact values of one message.
pub const CONTACTS: usize = 32;
/// Values of Route, Record-Route, Path or Service-Route of one message.
pub const ROUTES: usize = 32;
/// Option tags or methods of all headers of one name; parameters of a challenge or of credentials.
pub const TAGS: usize = 64;
/// Bytes of a Call-ID.
pub const CALL_ID: usize = 512;
/// Bytes of a From or To tag.
pub const TAG: usize = 512;
/// Bytes of a method name.
pub const METHOD: usize = 64;
/// Keep-alive line ends accepted in a row before a stream is garbage.
pub const BLANK_LINES: usize = 64;
/// Largest CSeq number (RFC 3261 §8.1.1.5: below 2^31).
pub const CSEQ: u32 = 0x7fff_ffff;
