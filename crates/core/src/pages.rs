//! Memory straight from the system, which has it back as soon as it is dropped.
//!
//! What a program frees, malloc keeps for later, and nobody erases it. Neither is
//! right for what comes in bursts, such as the visits of a minute in which
//! everybody logs in again.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Error;

/// What any bytes are one of.
pub(crate) trait Plain: FromBytes + IntoBytes + Immutable + KnownLayout + Copy {}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + Copy> Plain for T {}

/// A list of numbers that has room for a number of them that never changes.
/// Room that is not used costs no memory.
pub(crate) struct Pages<T> {
    /// `None` when there is room for nothing.
    map: Option<MmapMut>,
    capacity: usize,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Plain> Pages<T> {
    /// An empty list with room for `capacity`.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub(crate) fn with_capacity(capacity: usize) -> Result<Self, Error> {
        let bytes = capacity.checked_mul(size_of::<T>()).ok_or(Error::Full)?;
        let map = (bytes > 0).then(|| MmapMut::map_anon(bytes));
        Ok(Self {
            map: map.transpose().map_err(|_| Error::Full)?,
            capacity,
            len: 0,
            of: PhantomData,
        })
    }

    /// Whether there is no more room.
    pub(crate) fn is_full(&self) -> bool {
        self.len == self.capacity
    }

    /// Adds one, unless there is no room.
    pub(crate) fn push(&mut self, value: T) -> bool {
        let len = self.len;
        let Some(place) = self.room().get_mut(len) else {
            return false;
        };
        *place = value;
        self.len += 1;
        true
    }

    /// Adds as many of these as there is room for.
    pub(crate) fn extend_from_slice(&mut self, values: &[T]) {
        let len = self.len;
        let room = self.room().get_mut(len..).unwrap_or_default();
        let count = values.len().min(room.len());
        for (to, from) in room.iter_mut().zip(values) {
            *to = *from;
        }
        self.len += count;
    }

    /// Adds so many zeros, as far as there is room for them.
    pub(crate) fn extend_zeros(&mut self, count: usize) {
        let len = self.len;
        let room = self.room().get_mut(len..).unwrap_or_default();
        let count = count.min(room.len());
        let zeros = room.iter_mut().take(count);
        zeros.for_each(|to| *to = T::new_zeroed());
        self.len += count;
    }

    /// Keeps the first `len` alone.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    fn room(&mut self) -> &mut [T] {
        let map = self.map.as_deref_mut().unwrap_or_default();
        // Pages begin where anything may.
        <[T]>::mut_from_bytes(map).unwrap_or_default()
    }
}

impl<T: Plain> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let map = self.map.as_deref().unwrap_or_default();
        let used = map.get(..self.len * size_of::<T>());
        let used = used.map(<[T]>::ref_from_bytes);
        used.and_then(Result::ok).unwrap_or_default()
    }
}

impl<T: Plain> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let len = self.len;
        self.room().get_mut(..len).unwrap_or_default()
    }
}

impl<T> std::fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pages(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_as_many_as_there_is_room_for_in_their_order() {
        for capacity in [0, 1, 170, 171, 5000] {
            let mut pages = Pages::<[u64; 3]>::with_capacity(capacity).unwrap();
            let numbers: Vec<_> = (0..capacity as u64).map(|i| [i, 7, !i]).collect();
            assert!(numbers.iter().all(|&number| pages.push(number)));
            assert!(pages.is_full() && !pages.push([0; 3]), "{capacity}");
            assert_eq!(*pages, *numbers);
            pages.sort_unstable_by_key(|[_, _, last]| *last);
            assert!(pages.iter().rev().eq(&numbers), "{capacity}");
            pages.truncate(1);
            assert_eq!(pages.len(), numbers.len().min(1));
            pages.extend_zeros(2);
            assert_eq!(pages.len(), numbers.len().min(3));
            assert!(pages.iter().skip(1).all(|zeros| *zeros == [0; 3]));
        }
    }

    #[test]
    fn more_than_there_is_memory_is_refused() {
        for capacity in [usize::MAX, usize::MAX / 24] {
            assert!(Pages::<[u64; 3]>::with_capacity(capacity).is_err());
        }
    }
}
