//! Who a stream is: `a=ssrc` (RFC 5576), `a=msid` (RFC 8830), `a=extmap` (RFC 8285).

use std::fmt;
use std::str::FromStr;

/// `a=ssrc:SSRC NAME[:VALUE]`: one attribute of one source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SsrcAttribute {
    /// The source.
    pub ssrc: u32,
    /// The source attribute's name, such as `cname`.
    pub name: String,
    /// Its value.
    pub value: Option<String>,
}

impl FromStr for SsrcAttribute {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ssrc, attribute) = text.trim_ascii().split_once([' ', '\t']).ok_or(())?;
        let attribute = attribute.trim_ascii_start();
        let (name, value) = match attribute.split_once(':') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (attribute, None),
        };
        if name.is_empty() {
            return Err(());
        }
        Ok(Self { ssrc: ssrc.parse().map_err(|_| ())?, name: name.to_owned(), value })
    }
}

impl fmt::Display for SsrcAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ssrc, self.name)?;
        self.value.iter().try_for_each(|value| write!(f, ":{value}"))
    }
}

/// `a=msid:STREAM [TRACK]`: the media stream and track a section feeds in a browser.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Msid {
    /// The stream's id, or `-` for none.
    pub stream: String,
    /// The track's id.
    pub track: Option<String>,
}

impl FromStr for Msid {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut fields = text.split_ascii_whitespace().map(str::to_owned);
        let stream = fields.next().ok_or(())?;
        Ok(Self { stream, track: fields.next() })
    }
}

impl fmt::Display for Msid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stream)?;
        self.track.iter().try_for_each(|track| write!(f, " {track}"))
    }
}

/// `a=extmap:ID[/DIRECTION] URI [ATTRIBUTES]`: an RTP header extension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExtensionMap {
    /// Its number in packets, 1 to 255 in one-byte and two-byte headers.
    pub id: u8,
    /// Its URI and what follows.
    pub uri: String,
}

impl FromStr for ExtensionMap {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (id, uri) = text.trim_ascii().split_once([' ', '\t']).ok_or(())?;
        let id = id.split_once('/').map_or(id, |(id, _)| id);
        let id = id.parse().ok().filter(|id| *id > 0).ok_or(())?;
        Ok(Self { id, uri: uri.trim_ascii().to_owned() })
    }
}

impl fmt::Display for ExtensionMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.uri)
    }
}

/// Our own source in a section for a browser: written as `a=ssrc` and `a=msid`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalSource {
    /// The SSRC of what we send.
    pub ssrc: u32,
    /// The canonical name in our RTCP (RFC 7022).
    pub cname: String,
    /// The stream and track a browser will see.
    pub msid: Msid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        for text in ["2231627014 cname:Yk9lTT", "2231627014 msid:- 8a3c", "1 x"] {
            assert_eq!(text.parse::<SsrcAttribute>().unwrap().to_string(), text);
        }
        for text in ["", "12", "x cname:y", "5000000000 cname:y"] {
            assert_eq!(text.parse::<SsrcAttribute>(), Err(()), "{text}");
        }
    }

    #[test]
    fn streams_and_extensions() {
        assert_eq!("- t1".parse::<Msid>().unwrap().to_string(), "- t1");
        assert_eq!("s".parse::<Msid>().unwrap().track, None);
        let map: ExtensionMap = "1/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level".parse().unwrap();
        assert_eq!((map.id, map.uri.as_str()), (1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"));
        assert_eq!("0 urn:x".parse::<ExtensionMap>(), Err(()));
    }
}
