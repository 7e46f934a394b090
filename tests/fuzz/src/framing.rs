//! A stream, given at once and in pieces: both must be cut alike.

use branchline::sip::framing::{Frame, Framer, FramingError, Side};

/// See the module. The first byte says how long the pieces are and who dialled.
pub fn run(data: &[u8]) {
    let Some((first, stream)) = data.split_first() else { return };
    let side = if first & 1 == 0 { Side::Accepted } else { Side::Dialled };
    let piece = usize::from(first >> 1).max(1);
    let whole = cut(stream, stream.len().max(1), side);
    let pieces = cut(stream, piece, side);
    // Limits on what arrives at once are the one thing that may differ.
    if [&whole, &pieces].iter().all(|(_, error)| *error != Some(FramingError::BlankLines)) {
        assert_eq!(messages(&whole.0), messages(&pieces.0), "the same messages");
    }
}

fn cut(stream: &[u8], piece: usize, side: Side) -> (Vec<Frame>, Option<FramingError>) {
    let mut cutter = Framer::new(side);
    let mut frames = Vec::new();
    for bytes in stream.chunks(piece) {
        cutter.receive(bytes);
        loop {
            match cutter.poll() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(cutter.poll(), Err(error), "an error stays");
                    return (frames, Some(error));
                }
            }
        }
    }
    let _ = cutter.mid_message();
    (frames, None)
}

fn messages(frames: &[Frame]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    for frame in frames {
        if let Frame::Message(bytes) = frame {
            found.push(&bytes[..]);
        }
    }
    found
}
