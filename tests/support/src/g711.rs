//! G.711 (ITU-T G.711): µ-law and A-law, one sample at a time.

/// One linear 16-bit sample as a µ-law byte.
pub fn encode_ulaw(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    const CLIP: i32 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    let exponent = (24 - magnitude.leading_zeros() as i32).clamp(0, 7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// A µ-law byte as a linear 16-bit sample.
pub fn decode_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = i32::from(byte >> 4) & 7;
    let magnitude = (((i32::from(byte) & 0x0F) << 3) + 0x84) << exponent;
    let sample = magnitude - 0x84;
    (if byte & 0x80 == 0 { sample } else { -sample }) as i16
}

/// One linear 16-bit sample as an A-law byte.
pub fn encode_alaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = if sample < 0 { !i32::from(sample) } else { i32::from(sample) };
    let exponent = (24 - magnitude.leading_zeros() as i32).clamp(0, 7);
    let shift = if exponent == 0 { 4 } else { exponent + 3 };
    let mantissa = (magnitude >> shift) & 0x0F;
    (sign | (exponent << 4) as u8 | mantissa as u8) ^ 0x55
}

/// An A-law byte as a linear 16-bit sample.
pub fn decode_alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let exponent = i32::from(byte >> 4) & 7;
    let mantissa = i32::from(byte) & 0x0F;
    let magnitude =
        if exponent == 0 { (mantissa << 4) + 8 } else { ((mantissa << 4) + 0x108) << (exponent - 1) };
    (if byte & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both laws keep a sample within the size of its segment's step.
    #[test]
    fn a_sample_survives_both_laws() {
        for sample in (-32_000..=32_000).step_by(37) {
            let step = (i32::from(sample).abs() / 16).max(16);
            for back in [decode_ulaw(encode_ulaw(sample)), decode_alaw(encode_alaw(sample))] {
                assert!((i32::from(back) - i32::from(sample)).abs() <= step, "{sample} came back as {back}");
            }
        }
    }

    /// The codes of silence that every recording contains.
    #[test]
    fn silence_has_its_well_known_codes() {
        assert_eq!((encode_ulaw(0), encode_alaw(0)), (0xFF, 0xD5));
        assert_eq!((decode_ulaw(0xFF), decode_alaw(0xD5)), (0, 8));
    }
}
