//! The log behind embedded-svc's storage traits, and postcard as their serializer.

use embedded_svc::storage::{RawStorage, SerDe, StorageBase};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::FlashError;
use super::log::FlashLog;
use super::record::{HEADER, Kind, Record};

impl StorageBase for FlashLog {
    type Error = FlashError;

    fn contains(&self, name: &str) -> Result<bool, FlashError> {
        Ok(self.location(name).is_some())
    }

    /// Durable after [`FlashLog::commit`].
    fn remove(&mut self, name: &str) -> Result<bool, FlashError> {
        if self.location(name).is_none() {
            return Ok(false);
        }
        self.append(Kind::Remove, name, &[])
    }
}

impl RawStorage for FlashLog {
    fn len(&self, name: &str) -> Result<Option<usize>, FlashError> {
        let location = self.location(name);
        Ok(location.map(|one| (one.length as usize).saturating_sub(HEADER + name.len())))
    }

    fn get_raw<'a>(&self, name: &str, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>, FlashError> {
        let Some(location) = self.location(name) else { return Ok(None) };
        let mut bytes = Vec::new();
        self.record_bytes(location, &mut bytes)?;
        let record = Record::read(&bytes).ok_or(FlashError::Damaged)?;
        if record.name != name.as_bytes() {
            return Ok(None);
        }
        let length = record.value.len();
        let room = buffer.get_mut(..length).ok_or(FlashError::Buffer(length))?;
        room.copy_from_slice(record.value);
        Ok(Some(room))
    }

    /// Durable after [`FlashLog::commit`].
    fn set_raw(&mut self, name: &str, value: &[u8]) -> Result<bool, FlashError> {
        self.append(Kind::Put, name, value)
    }
}

/// Values as postcard: compact, without field names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl SerDe for Postcard {
    type Error = postcard::Error;

    fn serialize<'a, T: Serialize>(
        &self,
        slice: &'a mut [u8],
        value: &T,
    ) -> Result<&'a [u8], postcard::Error> {
        postcard::to_slice(value, slice).map(|written| &*written)
    }

    fn deserialize<T: DeserializeOwned>(&self, slice: &[u8]) -> Result<T, postcard::Error> {
        postcard::from_bytes(slice)
    }
}
