//! Uncompressed WAV files: what baresip and browsers take in and record.

use std::path::Path;

use crate::{Failure, Outcome};

/// The sound of a WAV file: its first channel, 16 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// Samples a second.
    pub rate: u32,
    /// The samples of the first channel.
    pub samples: Vec<i16>,
}

impl Wav {
    /// Reads a file. A recording that is still open has a wrong length in its header: what is there counts.
    pub fn read(path: &Path) -> Outcome<Self> {
        let bytes = std::fs::read(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        Self::parse(&bytes).ok_or_else(|| Failure::new(format!("{} is not 16-bit PCM WAV", path.display())))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(b"RIFF")?.get(8..)?;
        let mut format = None;
        while rest.len() >= 8 {
            let size = u32::from_le_bytes(rest[4..8].try_into().ok()?) as usize;
            let body = &rest[8..];
            match &rest[..4] {
                b"fmt " => {
                    format = Some((
                        number(body, 2)?,
                        u32::from_le_bytes(body.get(4..8)?.try_into().ok()?),
                        number(body, 14)?,
                    ));
                }
                b"data" => {
                    let (channels, rate, bits) = format?;
                    if bits != 16 || channels == 0 {
                        return None;
                    }
                    let sound = if size == 0 { body } else { &body[..size.min(body.len())] };
                    let frames = sound.chunks_exact(usize::from(channels) * 2);
                    return Some(Self {
                        rate,
                        samples: frames.map(|f| i16::from_le_bytes([f[0], f[1]])).collect(),
                    });
                }
                _ => {}
            }
            rest = body.get(size + size % 2..)?;
        }
        None
    }

    /// Writes a file of `channels` equal channels.
    pub fn write(&self, path: &Path, channels: u16) -> Outcome {
        let data = self.samples.len() as u32 * 2 * u32::from(channels);
        let mut file = Vec::with_capacity(44 + data as usize);
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&(36 + data).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
        file.extend_from_slice(&channels.to_le_bytes());
        file.extend_from_slice(&self.rate.to_le_bytes());
        file.extend_from_slice(&(self.rate * 2 * u32::from(channels)).to_le_bytes());
        file.extend_from_slice(&(2 * channels).to_le_bytes());
        file.extend_from_slice(&16u16.to_le_bytes());
        file.extend_from_slice(b"data");
        file.extend_from_slice(&data.to_le_bytes());
        for sample in &self.samples {
            for _ in 0..channels {
                file.extend_from_slice(&sample.to_le_bytes());
            }
        }
        std::fs::write(path, file).map_err(|e| Failure::new(format!("{}: {e}", path.display())))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let wav = Wav { rate: 48_000, samples: vec![0, 1, -1, i16::MAX, i16::MIN] };
        let path = std::env::temp_dir().join(format!("peers-wav-{}.wav", std::process::id()));
        for channels in [1, 2] {
            wav.write(&path, channels).unwrap();
            assert_eq!(Wav::read(&path).unwrap(), wav);
        }
        std::fs::remove_file(&path).unwrap();
    }
}
