//! Visits on their way to a store.

use std::sync::Arc;

use crate::pages::Pages;
use crate::{Error, KeptUser, KeyId, KeyTable, Marker};

/// The first login of a user in a month, without the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Who it was, as far as a store may know.
    pub marker: Marker,
    /// The `geo-` key it adds to.
    pub place: KeyId,
    /// The `client-` key it adds to.
    pub client: KeyId,
    /// The `asn-` key it adds to, with a database of networks.
    pub asn: Option<KeyId>,
}

impl Visit {
    /// The keys that the visit adds 1 to.
    pub fn keys(&self) -> impl Iterator<Item = KeyId> {
        [Some(self.place), Some(self.client), self.asn]
            .into_iter()
            .flatten()
    }

    fn pack(self) -> [u64; 3] {
        let number = |key: KeyId| u64::from(u32::from(key));
        [
            self.marker.0,
            number(self.place) << 32 | number(self.client),
            self.asn.map_or(0, number),
        ]
    }

    /// `None` for what [`Visit::pack`] does not make.
    fn unpack([marker, keys, asn]: [u64; 3]) -> Option<Self> {
        let key = |number: u64| KeyId::try_from(u32::try_from(number).ok()?).ok();
        Some(Self {
            marker: Marker(marker),
            place: key(keys >> 32)?,
            client: key(keys & u64::from(u32::MAX))?,
            asn: key(asn),
        })
    }
}

/// How many visits a piece of memory is for: 64 KiB of them, or up to 24 MB. What is
/// not used of it costs nothing.
const FEWEST: usize = 2730;
const MOST: usize = 1_000_000;

/// Memory for some visits.
#[derive(Debug)]
pub(crate) struct Room(Pages<[u64; 3]>);

impl Room {
    /// For so many visits, as far as that is sensible.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub(crate) fn for_about(visits: usize) -> Result<Self, Error> {
        Pages::with_capacity(visits.clamp(FEWEST, MOST)).map(Self)
    }
}

/// Visits in the order of their logins, 24 bytes each.
#[derive(Debug)]
pub struct Visits {
    keys: Arc<KeyTable>,
    /// All are full but the last.
    rooms: Vec<Room>,
    len: usize,
    /// As many as visits, or none: for a store whose
    /// [`Character::keeps_users`](super::Character::keeps_users).
    users: Vec<KeptUser>,
}

impl Visits {
    /// No visits yet, whose keys will be numbers of `keys`.
    #[must_use]
    pub fn new(keys: Arc<KeyTable>) -> Self {
        Self {
            keys,
            rooms: Vec::new(),
            len: 0,
            users: Vec::new(),
        }
    }

    /// The table of their keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeyTable> {
        &self.keys
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes room for one more, so that [`Visits::put`] cannot fail. Takes the
    /// spare one if there is one.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub(crate) fn reserve(&mut self, spare: &mut Option<Room>) -> Result<(), Error> {
        if self.rooms.last().is_none_or(|Room(last)| last.is_full()) {
            // Few, and none of them moves.
            let new = || Room::for_about(self.len.saturating_mul(7));
            let room = spare.take().map_or_else(new, Ok)?;
            self.rooms.push(room);
        }
        Ok(())
    }

    /// Adds a visit and, for a store that keeps users, whose it is.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub fn push(&mut self, visit: Visit, user: Option<KeptUser>) -> Result<(), Error> {
        self.reserve(&mut None)?;
        self.put(visit, user)
    }

    /// The same, where there is room.
    pub(crate) fn put(&mut self, visit: Visit, user: Option<KeptUser>) -> Result<(), Error> {
        let Room(pages) = self.rooms.last_mut().ok_or(Error::Internal)?;
        if !pages.push(visit.pack()) {
            return Err(Error::Internal);
        }
        self.len += 1;
        self.users.extend(user);
        Ok(())
    }

    /// The visits.
    pub fn iter(&self) -> impl Iterator<Item = Visit> + Clone {
        let packed = self.rooms.iter().flat_map(|Room(pages)| pages.iter());
        packed.copied().filter_map(Visit::unpack)
    }

    /// Who they were, in the same order, for a store that keeps users.
    #[must_use]
    pub fn users(&self) -> &[KeptUser] {
        &self.users
    }

    /// How many of them each key has.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub(crate) fn count(&self) -> Result<Vec<(KeyId, u64)>, Error> {
        count(self.len(), self.iter())
    }

    /// Those visits whose marker `keep` wants.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub(crate) fn filtered(&self, mut keep: impl FnMut(Marker) -> bool) -> Result<Self, Error> {
        let mut kept = Self::new(Arc::clone(&self.keys));
        let mut users = self.users.iter().cloned();
        for visit in self.iter() {
            let user = users.next();
            if keep(visit.marker) {
                kept.push(visit, user)?;
            }
        }
        Ok(kept)
    }
}

/// How many of these visits, of which there are `most` at most, each key has.
///
/// # Errors
///
/// There is not enough memory.
pub(super) fn count(
    most: usize,
    visits: impl Iterator<Item = Visit>,
) -> Result<Vec<(KeyId, u64)>, Error> {
    let mut numbers = Pages::with_capacity(most.saturating_mul(3))?;
    for visit in visits {
        for key in visit.keys() {
            numbers.push(u32::from(key));
        }
    }
    numbers.sort_unstable();
    let runs = numbers.chunk_by(|one, other| one == other);
    let counted = runs.filter_map(|run| {
        let key = KeyId::try_from(*run.first()?).ok()?;
        Some((key, run.len() as u64))
    });
    Ok(counted.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::User;

    fn visit(keys: &KeyTable, number: u64) -> Visit {
        Visit {
            marker: Marker(number),
            place: keys.id(&format!("geo-DE-?-{}", number % 100)),
            client: keys.id("client-IOS"),
            asn: (number % 3 == 0).then(|| keys.id("asn-AS3320")),
        }
    }

    #[test]
    fn gives_back_what_went_in_with_its_user() {
        let keys = Arc::new(KeyTable::default());
        let mut visits = Visits::new(Arc::clone(&keys));
        let all: Vec<Visit> = (0..50_000).map(|number| visit(&keys, number)).collect();
        let user = |visit: &Visit| {
            let name = format!("user{}", visit.marker.0);
            KeptUser::from(User::new(name.as_bytes()).unwrap())
        };
        for visit in &all {
            visits.push(*visit, Some(user(visit))).unwrap();
        }
        assert_eq!(visits.len(), 50_000);
        assert!(visits.iter().eq(all.iter().copied()));
        assert!(visits.users().iter().cloned().eq(all.iter().map(user)));

        let odd = visits.filtered(|marker| marker.0 % 2 == 1).unwrap();
        let expected: Vec<Visit> = all.iter().copied().skip(1).step_by(2).collect();
        assert!(odd.iter().eq(expected.iter().copied()));
        assert!(odd.users().iter().cloned().eq(expected.iter().map(user)));
        assert_eq!(odd.len(), 25_000);
    }

    #[test]
    fn counts_each_key() {
        let keys = KeyTable::default();
        let counts = count(300, (0..300).map(|number| visit(&keys, number))).unwrap();
        let of = |text: &str| counts.iter().find(|(key, _)| *key == keys.id(text));
        assert_eq!(of("client-IOS").unwrap().1, 300);
        assert_eq!(of("asn-AS3320").unwrap().1, 100);
        assert_eq!(of("geo-DE-?-42").unwrap().1, 3);
        assert_eq!(counts.len(), 102);
        assert_eq!(counts.iter().map(|(_, number)| number).sum::<u64>(), 700);
    }
}
