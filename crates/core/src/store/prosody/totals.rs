//! The totals' file: reading it, adding to it, and what it means.

use blake3::Hash;

use super::names::{Names, Stamp};
use crate::store::dat::{self, Table, TableKey, Value, count_value};
use crate::store::files;
use crate::{Counts, Error, Key, Month, MonthTotals, Totals};

/// The totals as they are in the file, with all that is not ours.
#[derive(Debug)]
pub(super) struct Sheet {
    pub table: Table,
    /// The hash of the file that is written; `None` if it is not there yet.
    pub hash: Option<Hash>,
    /// The state of the files in which they were read.
    pub stamp: Stamp,
}

impl Sheet {
    /// Reads the file, or the one with the old name if there is no other.
    pub(super) fn read(names: &Names) -> Result<Self, Error> {
        // Taken first: who writes in between is noticed the next time.
        let stamp = names.stamp();
        for (path, written) in [(names.totals(), true), (names.old_totals(), false)] {
            let failed = |reason: &dyn std::fmt::Display| {
                Error::storage(format!("cannot read {}", path.display()), reason)
            };
            if let Some(bytes) = files::read(&path).map_err(|error| failed(&error))? {
                return Ok(Self {
                    table: dat::parse(&bytes).map_err(|fault| failed(&fault))?,
                    hash: written.then(|| blake3::hash(&bytes)),
                    stamp,
                });
            }
        }
        Ok(Self {
            table: Table::new(),
            hash: None,
            stamp,
        })
    }

    /// Adds to a count.
    pub(super) fn add(&mut self, month: Month, key: &Key, count: u64) -> Result<(), Error> {
        let failed = |reason: &str| {
            Err(Error::storage(
                "cannot add to the totals",
                format!("{month} {reason}"),
            ))
        };
        let counts = self
            .table
            .entry(TableKey::text(&month.to_string()))
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(counts) = counts else {
            return failed("is not a table");
        };
        let value = counts
            .entry(TableKey::text(key.as_str()))
            .or_insert(Value::Integer(0));
        match count_of(value) {
            Some(before) => *value = count_value(before.saturating_add(count)),
            None => return failed("has a count that is not a whole number"),
        }
        Ok(())
    }

    /// Replaces a month.
    pub(super) fn replace(&mut self, month: Month, counts: &Counts) {
        let key = TableKey::text(&month.to_string());
        if counts.is_empty() {
            self.table.remove(&key);
            return;
        }
        let counts = counts
            .iter()
            .map(|(key, &count)| (TableKey::text(key.as_str()), count_value(count)))
            .collect();
        self.table.insert(key, Value::Table(counts));
    }

    /// Deletes the months before `before`, but never the newest, and returns
    /// them.
    pub(super) fn purge(&mut self, before: Month) -> Vec<Month> {
        let mut months: Vec<Month> = self.table.keys().filter_map(month_of).collect();
        months.sort_unstable();
        months.pop();
        months.retain(|&month| month < before);
        for month in &months {
            self.table.remove(&TableKey::text(&month.to_string()));
        }
        months
    }

    /// Whether a month is in the layout of the Lua plugin's later fork, in
    /// which places are tables.
    pub(super) fn is_nested(&self) -> bool {
        self.table
            .iter()
            .filter(|(key, _)| month_of(key).is_some())
            .filter_map(|(_, value)| as_table(value))
            .flat_map(Table::values)
            .any(|value| as_table(value).is_some_and(|place| place.contains_key(&users_seen())))
    }

    /// What the file says, and how many entries say nothing that we know. The
    /// newest month counts as open.
    pub(super) fn totals(&self) -> (Totals, usize) {
        let mut totals = Totals::new();
        let mut unknown = 0;
        for (key, value) in &self.table {
            let (Some(month), Value::Table(entries)) = (month_of(key), value) else {
                unknown += 1;
                continue;
            };
            let mut counts = Counts::new();
            for (key, value) in entries {
                unknown += read_entry(&mut counts, key, value);
            }
            if !counts.is_empty() {
                totals.insert(
                    month,
                    MonthTotals {
                        counts,
                        ..MonthTotals::default()
                    },
                );
            }
        }
        if let Some((_, newest)) = totals.iter_mut().next_back() {
            newest.open = true;
        }
        (totals, unknown)
    }
}

/// The hash of the file that is written; `None` if it is not there.
pub(super) fn hash(names: &Names) -> Result<Option<Hash>, Error> {
    let path = names.totals();
    let bytes = files::read(&path)
        .map_err(|error| Error::io(format!("cannot read {}", path.display()), &error))?;
    Ok(bytes.map(|bytes| blake3::hash(&bytes)))
}

/// Adds what an entry of a month says; returns how many entries say nothing.
fn read_entry(counts: &mut Counts, key: &TableKey, value: &Value) -> usize {
    let Some(name) = key.as_text() else {
        return 1;
    };
    if let Some(count) = count_of(value) {
        *counts.entry(Key::new(name)).or_default() += count;
        return 0;
    }
    // The later fork: a place with its users, clients and networks.
    let Some(place) = as_table(value).filter(|place| place.contains_key(&users_seen())) else {
        return 1;
    };
    let mut unknown = 0;
    for (key, value) in place {
        let prefix = match (key.as_text(), value) {
            (Some("users_seen"), value) => {
                let place = TableKey::text(&format!("geo-{name}"));
                unknown += read_count(counts, "", &place, value);
                continue;
            }
            (Some("clients_seen"), Value::Table(_)) => "client-",
            (Some("isps_seen"), Value::Table(_)) => "asn-",
            _ => {
                unknown += 1;
                continue;
            }
        };
        for (key, value) in as_table(value).into_iter().flatten() {
            unknown += read_count(counts, prefix, key, value);
        }
    }
    unknown
}

fn read_count(counts: &mut Counts, prefix: &str, key: &TableKey, value: &Value) -> usize {
    match (key.as_text(), count_of(value)) {
        (Some(name), Some(count)) => {
            *counts
                .entry(Key::new(&format!("{prefix}{name}")))
                .or_default() += count;
            0
        }
        _ => 1,
    }
}

fn users_seen() -> TableKey {
    TableKey::text("users_seen")
}

fn month_of(key: &TableKey) -> Option<Month> {
    key.as_text()?.parse().ok()
}

fn as_table(value: &Value) -> Option<&Table> {
    match value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

/// The number of users that a value is.
fn count_of(value: &Value) -> Option<u64> {
    match *value {
        Value::Integer(number) => u64::try_from(number).ok(),
        // LuaJIT knows no other numbers.
        Value::Float(number) => dat::whole(number).and_then(|number| u64::try_from(number).ok()),
        _ => None,
    }
}
