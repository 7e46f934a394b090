//! G.711: eight bits a sample at 8 kHz, in two laws (ITU-T G.711).

/// Samples a second, which is also the RTP clock rate.
pub const SAMPLE_RATE: u32 = 8000;

/// The same, to calculate with.
pub const SAMPLES_A_SECOND: f32 = 8000.0;

/// Peak amplitude, in 16-bit samples, of a sine at 0 dBm0 (G.711 clips one at 3.17 dBm0 with a peak of 32124).
pub const PEAK_0_DBM0: f32 = 22_300.0;

/// Which of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// µ-law, `PCMU`.
    Mu,
    /// A-law, `PCMA`.
    A,
}

impl Law {
    /// The 16-bit sample of a code.
    pub const fn decode(self, code: u8) -> i16 {
        match self {
            Self::Mu => MU[code as usize],
            Self::A => A[code as usize],
        }
    }

    /// The code nearest to a 16-bit sample.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => encode_mu(sample),
            Self::A => encode_a(sample),
        }
    }

    /// The code of silence.
    pub const fn silence(self) -> u8 {
        self.encode(0)
    }
}

static MU: [i16; 256] = decoded(Law::Mu);
static A: [i16; 256] = decoded(Law::A);

/// What µ-law adds before it finds the segment.
const BIAS: u16 = 0x84;

const fn decoded(law: Law) -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        samples[code] = match law {
            Law::Mu => decode_mu(code as u8),
            Law::A => decode_a(code as u8),
        };
        code += 1;
    }
    samples
}

const fn decode_mu(code: u8) -> i16 {
    let bits = !code;
    let segment = bits >> 4 & 0x07;
    let step = (((bits & 0x0F) as i16) << 3) + BIAS.cast_signed();
    let size = (step << segment) - BIAS.cast_signed();
    if bits & 0x80 == 0 { size } else { -size }
}

const fn encode_mu(sample: i16) -> u8 {
    let size = sample.unsigned_abs();
    let biased = if size > 0x7FFF - BIAS { 0x7FFF } else { size + BIAS };
    let segment = 8 - biased.leading_zeros() as u8;
    let step = (biased >> (segment + 3)) as u8 & 0x0F;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | segment << 4 | step)
}

const fn decode_a(code: u8) -> i16 {
    let bits = code ^ 0x55;
    let segment = bits >> 4 & 0x07;
    let step = ((bits & 0x0F) as i16) << 4;
    let size = if segment == 0 { step + 8 } else { (step + 0x108) << (segment - 1) };
    if bits & 0x80 == 0 { -size } else { size }
}

const fn encode_a(sample: i16) -> u8 {
    let (sign, size) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let size = size.cast_unsigned();
    let coded = if size < 0x100 {
        (size >> 4) as u8
    } else {
        let segment = 8 - size.leading_zeros() as u8;
        segment << 4 | ((size >> (segment + 3)) as u8 & 0x0F)
    };
    (sign | coded) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes() {
        assert_eq!([0xFF, 0x7F, 0x80, 0x00].map(|code| Law::Mu.decode(code)), [0, 0, 32_124, -32_124]);
        assert_eq!([0xD5, 0x55, 0xAA, 0x2A].map(|code| Law::A.decode(code)), [8, -8, 32_256, -32_256]);
        assert_eq!((Law::Mu.silence(), Law::A.silence()), (0xFF, 0xD5));
    }

    #[test]
    fn every_code_comes_back_and_every_sample_finds_the_nearest() {
        for law in [Law::Mu, Law::A] {
            for code in 0..=255 {
                let sample = law.decode(code);
                assert_eq!(law.decode(law.encode(sample)), sample, "{law:?} {code:02x}");
            }
            for sample in (i16::MIN..=i16::MAX).step_by(37) {
                let error = i32::from(law.decode(law.encode(sample))) - i32::from(sample);
                let bound = 16 + i32::from(sample).abs() / 32;
                assert!(error.abs() <= bound.max(644), "{law:?} {sample} {error}");
                assert!(error.abs() <= bound || sample.unsigned_abs() > 32_000, "{law:?} {sample} {error}");
            }
        }
    }
}
