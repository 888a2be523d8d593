//! The store that keeps nothing: for tests, and for trying things out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Batch, Character, Forgotten, Loaded, Marks, MonthCopy, MonthState, OpenMonth, Store};
use crate::{Error, KeptUser, Marker, Month, MonthKey, MonthTotals, Realm, Totals};

/// Totals and markers in memory, gone with the process.
#[derive(Debug, Default)]
pub struct Memory {
    realm: Realm,
    totals: Totals,
    open: BTreeMap<Month, Open>,
    closed_before: Option<Month>,
}

#[derive(Debug)]
struct Open {
    state: MonthState,
    markers: BTreeSet<Marker>,
}

impl Memory {
    /// An empty store for the users of `realm`.
    #[must_use]
    pub fn new(realm: &Realm) -> Self {
        Self {
            realm: realm.clone(),
            ..Self::default()
        }
    }
}

impl Store for Memory {
    fn character(&self) -> Character {
        Character {
            keeps_users: false,
            closes_months: true,
        }
    }

    fn load(&mut self) -> Result<Loaded, Error> {
        let open = self
            .open
            .iter()
            .map(|(&month, open)| OpenMonth {
                month,
                state: open.state.clone(),
                markers: Arc::new(open.markers.iter().copied().collect()),
            })
            .collect();
        Ok(Loaded {
            open,
            closed_before: self.closed_before.unwrap_or(Month::FIRST),
        })
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        if Some(batch.month) < self.closed_before {
            return Err(Error::MonthClosed(batch.month));
        }
        let open = self.open.entry(batch.month).or_insert_with(|| Open {
            state: batch.state.clone(),
            markers: BTreeSet::new(),
        });
        open.state.first = batch.state.first;
        let totals = self.totals.entry(batch.month).or_default();
        totals.open = true;
        for visit in batch.visits.iter() {
            if !open.markers.insert(visit.marker) {
                continue;
            }
            for key in visit.keys().filter_map(|id| batch.visits.keys().key(id)) {
                *totals.counts.entry(key).or_default() += 1;
            }
        }
        Ok(())
    }

    fn close_before(&mut self, month: Month) -> Result<(), Error> {
        self.open = self.open.split_off(&month);
        if let Some(open) = self.open.get_mut(&month) {
            open.state.first = None;
        }
        for (_, totals) in self.totals.range_mut(..month) {
            totals.open = false;
        }
        self.closed_before = self.closed_before.max(Some(month));
        Ok(())
    }

    fn totals(&mut self) -> Result<Totals, Error> {
        Ok(self.totals.clone())
    }

    fn purge(&mut self, before: Month) -> Result<Vec<Month>, Error> {
        let gone: Vec<Month> = self
            .totals
            .range(..before)
            .filter(|(_, totals)| !totals.open)
            .map(|(&month, _)| month)
            .collect();
        self.totals.retain(|month, _| !gone.contains(month));
        Ok(gone)
    }

    fn forget(&mut self, users: &[Forgotten]) -> Result<(), Error> {
        for (month, marker) in users.iter().flat_map(|user| &user.markers) {
            if let Some(open) = self.open.get_mut(month) {
                open.markers.remove(marker);
            }
        }
        Ok(())
    }

    fn users(&mut self) -> Result<Vec<(KeptUser, Month)>, Error> {
        Ok(Vec::new())
    }

    fn export(&mut self, month: Month) -> Result<Option<MonthCopy>, Error> {
        let marks = match self
            .load()?
            .open
            .into_iter()
            .find(|open| open.month == month)
        {
            Some(open) => Marks::Keyed(open),
            None => Marks::Closed,
        };
        Ok(self.totals.get(&month).map(|totals| MonthCopy {
            counts: totals.counts.clone(),
            incomplete: totals.incomplete,
            marks,
        }))
    }

    fn import(&mut self, month: Month, copy: &MonthCopy) -> Result<(), Error> {
        let open = match &copy.marks {
            Marks::Closed => None,
            Marks::Keyed(open) => Some(Open {
                state: open.state.clone(),
                markers: open.markers.iter().copied().collect(),
            }),
            Marks::Users(users) => {
                let state = match self.open.get(&month) {
                    Some(open) => open.state.clone(),
                    None => MonthState {
                        key: MonthKey::random()?,
                        first: Some(month.start()),
                    },
                };
                let marking = self.realm.marking(&state.key);
                let markers = users
                    .iter()
                    .map(|user| marking.of(user.as_user()))
                    .collect();
                Some(Open { state, markers })
            }
        };
        if let (Some(old), Some(new)) = (self.open.get(&month), &open) {
            if !old.markers.is_subset(&new.markers) {
                return Err(Error::own_users(month));
            }
        }
        let totals = MonthTotals {
            counts: copy.counts.clone(),
            open: open.is_some(),
            incomplete: copy.incomplete,
        };
        self.totals.insert(month, totals);
        match open {
            Some(open) => self.open.insert(month, open),
            None => self.open.remove(&month),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract() {
        crate::store::contract::check(|| {
            let mut first = Some(Memory::default());
            move || Ok(Box::new(first.take().unwrap_or_default()) as Box<dyn Store>)
        });
    }
}
