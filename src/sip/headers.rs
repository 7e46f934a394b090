//! The headers of a message, in order.

use super::header::{CSeq, Challenge, Contacts, Credentials, MaxForwards, NameAddr, Tags, Typed, Via};
use super::{Flaw, HeaderName, Text, limits, scan};

/// One header line. A folded one is unfolded: a line end with the white space around it is one space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: HeaderName,
    /// Its value as it came, trimmed; perhaps several values joined by commas.
    pub value: Text,
}

/// All headers of a message in their order, those we do not know included.
///
/// Content-Length is among them when it was received; on writing it is left out and the true one written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    list: Vec<Header>,
}

impl Headers {
    /// None yet, with room for as many as usual.
    pub fn new() -> Self {
        Self { list: Vec::with_capacity(16) }
    }

    /// How many lines.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Every line in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.list.iter()
    }

    /// Whether `name` is there.
    pub fn has(&self, name: &HeaderName) -> bool {
        self.get(name).is_some()
    }

    /// The value of the first line `name`.
    pub fn get(&self, name: &HeaderName) -> Option<&Text> {
        self.get_all(name).next()
    }

    /// The values of all lines `name`, each as it stands.
    pub fn get_all(&self, name: &HeaderName) -> impl Iterator<Item = &Text> {
        self.list.iter().filter(move |header| header.name == *name).map(|header| &header.value)
    }

    /// The single values of all lines `name`: comma lists are taken apart where the header is one.
    pub fn values(&self, name: &HeaderName) -> impl Iterator<Item = Text> {
        let list = name.is_list();
        self.get_all(name).flat_map(move |value| {
            let whole = (!list).then(|| value.clone());
            let parts = list.then(|| scan::list(value).map(|part| value.slice_of(part)));
            whole.into_iter().chain(parts.into_iter().flatten())
        })
    }

    /// Adds a line at the end.
    pub fn push(&mut self, name: HeaderName, value: impl Into<Text>) {
        self.list.push(Header { name, value: value.into() });
    }

    /// Adds a line before the first of the same name, or at the top if there is none.
    pub fn insert_first(&mut self, name: HeaderName, value: impl Into<Text>) {
        let at = self.list.iter().position(|header| header.name == name).unwrap_or(0);
        self.list.insert(at, Header { name, value: value.into() });
    }

    /// Removes every line `name`; tells how many there were.
    pub fn remove(&mut self, name: &HeaderName) -> usize {
        let before = self.list.len();
        self.list.retain(|header| header.name != *name);
        before - self.list.len()
    }

    /// Makes `value` the only one of `name`, in the place of the first, or at the end.
    pub fn replace(&mut self, name: HeaderName, value: impl Into<Text>) {
        let Some(at) = self.list.iter().position(|header| header.name == name) else {
            return self.push(name, value);
        };
        let mut seen = false;
        self.list.retain(|header| header.name != name || !std::mem::replace(&mut seen, true));
        if let Some(header) = self.list.get_mut(at) {
            header.value = value.into();
        }
    }

    /// Replaces the first single value of `name` (the top Via, the topmost Route) and leaves the others,
    /// also those joined to it by commas. Adds it if there is none.
    pub fn replace_first_value(&mut self, name: &HeaderName, value: impl Into<Text>) {
        let value = value.into();
        let Some(header) = self.list.iter_mut().find(|header| header.name == *name) else {
            return self.push(name.clone(), value);
        };
        header.value = match rest_of_list(name, &header.value) {
            Some(rest) => Text::from(format!("{value}, {rest}")),
            None => value,
        };
    }

    /// Takes away the first single value of `name`.
    pub fn remove_first_value(&mut self, name: &HeaderName) -> Option<Text> {
        let at = self.list.iter().position(|header| header.name == *name)?;
        let header = self.list.get_mut(at)?;
        let whole = header.value.clone();
        match rest_of_list(name, &whole) {
            Some(rest) => {
                header.value = rest;
                Some(whole.slice_of(scan::trim(scan::cut(&whole, b',').0)))
            }
            None => Some(self.list.remove(at).value),
        }
    }

    /// Adds copies of every line `name` of `other`, in order.
    pub fn copy(&mut self, name: &HeaderName, other: &Self) {
        self.list.extend(other.list.iter().filter(|header| header.name == *name).cloned());
    }

    /// Reads the first header of a type: `None` when absent.
    pub fn read<T: Typed>(&self) -> Result<Option<T>, Flaw> {
        self.get(&T::NAME).map(T::parse).transpose()
    }

    /// Writes a typed header, replacing any of its name.
    pub fn set<T: Typed>(&mut self, value: &T) {
        self.replace(T::NAME, Text::from(value.to_string()));
    }

    /// The topmost Via. `None` when there is none or it cannot be read.
    pub fn top_via(&self) -> Option<Via> {
        Via::parse(&self.values(&HeaderName::Via).next()?).ok()
    }

    /// Every Via, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, Flaw> {
        bounded(self.values(&HeaderName::Via), limits::VIAS, |value| Via::parse(&value))
    }

    /// From. `None` when absent or unreadable, which it is not on a parsed message.
    pub fn from(&self) -> Option<NameAddr> {
        NameAddr::parse(self.get(&HeaderName::From)?).ok()
    }

    /// To. As [`Headers::from`].
    pub fn to(&self) -> Option<NameAddr> {
        NameAddr::parse(self.get(&HeaderName::To)?).ok()
    }

    /// Call-ID. As [`Headers::from`].
    pub fn call_id(&self) -> Option<&Text> {
        self.get(&HeaderName::CallId)
    }

    /// CSeq. As [`Headers::from`].
    pub fn cseq(&self) -> Option<CSeq> {
        self.read().ok().flatten()
    }

    /// Max-Forwards, if there is a readable one.
    pub fn max_forwards(&self) -> Option<u8> {
        self.read::<MaxForwards>().ok().flatten().map(|max| max.0)
    }

    /// The Contacts of all lines.
    pub fn contacts(&self) -> Result<Contacts, Flaw> {
        let star = |value: &Text| value.as_str() == "*";
        if self.get_all(&HeaderName::Contact).any(star) {
            let alone = self.get_all(&HeaderName::Contact).count() == 1;
            return if alone { Ok(Contacts::Star) } else { Err(Flaw::Star) };
        }
        let values = self.values(&HeaderName::Contact);
        bounded(values, limits::CONTACTS, |value| NameAddr::parse(&value)).map(Contacts::List)
    }

    /// The addresses of all lines `name` (Route, Record-Route, Path, P-Asserted-Identity, Refer-To, …).
    pub fn addresses(&self, name: &HeaderName) -> Result<Vec<NameAddr>, Flaw> {
        bounded(self.values(name), limits::ROUTES, |value| NameAddr::parse(&value))
    }

    /// The tokens of all lines `name` (Supported, Require, Allow, …).
    pub fn option_tags(&self, name: &HeaderName) -> Result<Tags, Flaw> {
        Tags::read(self, name)
    }

    /// The first Digest credentials for `realm` in the lines `name` (Authorization or
    /// Proxy-Authorization). Other schemes and broken ones are passed over.
    pub fn credentials(&self, name: &HeaderName, realm: &str) -> Option<Credentials> {
        self.get_all(name).filter_map(|value| Credentials::parse(value).ok()).find(|c| c.realm == realm)
    }

    /// The Digest challenges in the lines `name` (WWW-Authenticate or Proxy-Authenticate), in order. Other
    /// schemes and broken ones are passed over; at most 8 are read.
    pub fn challenges(&self, name: &HeaderName) -> Vec<Challenge> {
        self.get_all(name).filter_map(|value| Challenge::parse(value).ok()).take(8).collect()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn bounded<T>(
    values: impl Iterator<Item = Text>,
    max: usize,
    read: impl Fn(Text) -> Result<T, Flaw>,
) -> Result<Vec<T>, Flaw> {
    let mut out = Vec::new();
    for value in values {
        if out.len() == max {
            return Err(Flaw::TooMany);
        }
        out.push(read(value)?);
    }
    Ok(out)
}

/// What follows the first value, if `name` is a list and more follows.
fn rest_of_list(name: &HeaderName, value: &Text) -> Option<Text> {
    if !name.is_list() {
        return None;
    }
    let rest = scan::trim(scan::cut(value, b',').1?);
    (!rest.is_empty()).then(|| value.slice_of(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Headers {
        let mut headers = Headers::new();
        headers.push(HeaderName::Via, "SIP/2.0/UDP a;branch=1 , SIP/2.0/UDP b;branch=2");
        headers.push(HeaderName::from_static("X-Odd"), ";;,,;");
        headers.push(HeaderName::Via, "SIP/2.0/UDP c;branch=3");
        headers
    }

    fn branches(headers: &Headers) -> Vec<String> {
        headers.vias().unwrap().iter().filter_map(Via::branch).map(|b| b.to_string()).collect()
    }

    #[test]
    fn joined_values_are_single_values() {
        assert_eq!(branches(&sample()), ["1", "2", "3"]);
        assert_eq!(sample().values(&HeaderName::from_static("x-odd")).collect::<Vec<_>>(), [";;,,;"]);
    }

    #[test]
    fn the_first_value_can_be_replaced_and_taken() {
        let mut headers = sample();
        headers.replace_first_value(&HeaderName::Via, "SIP/2.0/UDP z;branch=9");
        assert_eq!(branches(&headers), ["9", "2", "3"]);
        assert_eq!(headers.remove_first_value(&HeaderName::Via).unwrap(), "SIP/2.0/UDP z;branch=9");
        headers.remove_first_value(&HeaderName::Via);
        headers.insert_first(HeaderName::Via, "SIP/2.0/UDP n;branch=0");
        assert_eq!(branches(&headers), ["0", "3"]);
        assert_eq!(headers.remove(&HeaderName::Via), 2);
        assert_eq!(headers.remove_first_value(&HeaderName::Via), None);
    }

    #[test]
    fn replacing_leaves_one_in_the_first_place() {
        let mut headers = sample();
        headers.replace(HeaderName::Via, "SIP/2.0/UDP z;branch=9");
        assert_eq!(headers.iter().next().unwrap().name, HeaderName::Via);
        assert_eq!((headers.len(), branches(&headers)), (2, vec!["9".to_owned()]));
    }

    #[test]
    fn a_star_stands_alone() {
        let mut headers = Headers::new();
        assert_eq!(headers.contacts(), Ok(Contacts::List(vec![])));
        headers.push(HeaderName::Contact, "*");
        assert_eq!(headers.contacts(), Ok(Contacts::Star));
        headers.push(HeaderName::Contact, "<sip:a@b>");
        assert_eq!(headers.contacts(), Err(Flaw::Star));
    }
}
