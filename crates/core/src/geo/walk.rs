//! Builds the numbers of all addresses from the networks of a database.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::database::{Database, Record, Value, damaged};
use super::ranges::{LIMIT, Ranges, UNKNOWN};

/// Each address's number, and the value of each number.
#[derive(Debug)]
pub(super) struct Numbered<V> {
    ranges: Ranges,
    values: Box<[V]>,
}

impl<V: Value> Numbered<V> {
    /// Decodes each record of the database once. `None` when it was stopped.
    ///
    /// # Errors
    ///
    /// The database is damaged, or is of a shape that this cannot hold. Memory
    /// is bounded: there are no more networks than nodes in the tree and one,
    /// and 16 million different values.
    pub(super) fn build(
        database: &Database,
        stopped: impl Fn() -> bool,
    ) -> Result<Option<Self>, String> {
        let Some(networks) = database.networks(&stopped)? else {
            return Ok(None);
        };
        let mut walk = Walk::new(database);
        for network in networks {
            if stopped() {
                return Ok(None);
            }
            let network = network.map_err(|cause| damaged(&cause))?;
            walk.take(&network)?;
        }
        walk.finish().map(Some)
    }

    pub(super) fn number(&self, address: IpAddr) -> u32 {
        match address {
            IpAddr::V4(address) => self.ranges.ipv4(address.to_bits()),
            IpAddr::V6(address) => self.ranges.ipv6(address.to_bits()),
        }
    }

    pub(super) fn value(&self, number: u32) -> V {
        self.values
            .get(number as usize)
            .copied()
            .unwrap_or_default()
    }

    /// The memory that it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        self.ranges.size() + size_of_val(&*self.values)
    }
}

/// The way through the networks.
struct Walk<'a, V> {
    database: &'a Database,
    ranges: Ranges,
    values: Values<V>,
    /// How many networks there may still be.
    budget: usize,
    /// Where the next network begins, if all of them are there; `None` at the
    /// end.
    next_ipv4: Option<u32>,
    next_ipv6: Option<u128>,
    has_ipv6: bool,
    /// The prefix length of the network of 0.0.0.0, if IPv4 has a tree of its
    /// own.
    first_ipv4: Option<u8>,
}

impl<'a, V: Value> Walk<'a, V> {
    fn new(database: &'a Database) -> Self {
        let metadata = database.reader.metadata();
        Self {
            database,
            ranges: Ranges::default(),
            values: Values::new(),
            // So many ends has a binary tree.
            budget: (metadata.node_count as usize).saturating_add(1),
            next_ipv4: Some(0),
            next_ipv6: Some(0),
            has_ipv6: metadata.ip_version == 6,
            first_ipv4: None,
        }
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), String> {
        self.spend()?;
        let network = record.network().map_err(|cause| damaged(&cause))?;
        let number = self.values.number(record)?;
        match network.ip() {
            IpAddr::V4(start) => {
                if self.first_ipv4.is_none() {
                    self.first_ipv4 = Some(network.prefix());
                    // In a tree of IPv6 this is at ::/96.
                    if self.has_ipv6 {
                        self.ranges.push_alias(0, 96);
                        self.next_ipv6 = Some(1 << 32);
                    }
                }
                let start = start.to_bits();
                if self.next_ipv4 != Some(start) {
                    return Err(unexpected());
                }
                self.ranges.push_ipv4(start, number);
                let hosts = u32::MAX.checked_shr(network.prefix().into()).unwrap_or(0);
                self.next_ipv4 = (start | hosts).checked_add(1);
            }
            IpAddr::V6(start) => {
                let start = start.to_bits();
                self.fill(Some(start))?;
                self.ranges.push_ipv6(start, number);
                self.next_ipv6 = after(start, network.prefix());
            }
        }
        Ok(())
    }

    /// Deals with what the iterator has passed over before `end`: a record
    /// equal to that where IPv4 begins.
    fn fill(&mut self, end: Option<u128>) -> Result<(), String> {
        while self.next_ipv6 != end {
            self.spend()?;
            let start = self.next_ipv6.ok_or_else(unexpected)?;
            let record = self.record(IpAddr::V6(Ipv6Addr::from_bits(start)))?;
            let network = record.network().map_err(|cause| damaged(&cause))?;
            let mut prefix = network.prefix();
            if let Some(first) = self.first_ipv4 {
                // The way has led to IPv4 and on to its first network: so much
                // longer is it.
                prefix = prefix
                    .checked_sub(first)
                    .filter(|prefix| *prefix <= 96)
                    .ok_or_else(unexpected)?;
                self.ranges.push_alias(start, prefix);
            } else {
                let number = self.values.number(&record)?;
                self.ranges.push_ipv6(start, number);
            }
            self.next_ipv6 = after(start, prefix);
            let is_aligned = start.trailing_zeros() >= 128 - u32::from(prefix);
            let is_beyond = match (self.next_ipv6, end) {
                (Some(next), Some(end)) => next > end,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if !is_aligned || is_beyond {
                return Err(unexpected());
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Numbered<V>, String> {
        if self.has_ipv6 {
            self.fill(None)?;
        }
        if self.first_ipv4.is_none() {
            // All of IPv4 is in one network of IPv6.
            let record = self.record(IpAddr::V4(Ipv4Addr::UNSPECIFIED))?;
            let number = self.values.number(&record)?;
            self.ranges.push_ipv4(0, number);
        } else if self.next_ipv4.is_some() {
            return Err(unexpected());
        }
        Ok(Numbered {
            ranges: self.ranges.finish(),
            values: self.values.all.into(),
        })
    }

    fn record(&self, address: IpAddr) -> Result<Record<'a>, String> {
        self.database
            .reader
            .lookup(address)
            .map_err(|cause| damaged(&cause))
    }

    fn spend(&mut self) -> Result<(), String> {
        self.budget = self
            .budget
            .checked_sub(1)
            .ok_or("the database is damaged: it has more networks than nodes")?;
        Ok(())
    }
}

/// The address after a network; `None` after the last.
fn after(start: u128, prefix: u8) -> Option<u128> {
    let hosts = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
    (start | hosts).checked_add(1)
}

fn unexpected() -> String {
    "its networks are in no order that is known".into()
}

/// The different values, each with its number.
struct Values<V> {
    /// Thousands of networks share a record.
    by_offset: HashMap<usize, u32>,
    by_value: HashMap<V, u32>,
    all: Vec<V>,
}

impl<V: Value> Values<V> {
    fn new() -> Self {
        Self {
            by_offset: HashMap::new(),
            by_value: HashMap::from([(V::default(), UNKNOWN)]),
            all: vec![V::default()],
        }
    }

    fn number(&mut self, record: &Record<'_>) -> Result<u32, String> {
        let Some(offset) = record.offset() else {
            return Ok(UNKNOWN);
        };
        if let Some(number) = self.by_offset.get(&offset) {
            return Ok(*number);
        }
        let next = u32::try_from(self.all.len())
            .ok()
            .filter(|next| *next < LIMIT)
            .ok_or_else(|| format!("it has more than {LIMIT} different entries"))?;
        let value = V::of(record);
        let number = *self.by_value.entry(value).or_insert(next);
        if number == next {
            self.all.push(value);
        }
        self.by_offset.insert(offset, number);
        Ok(number)
    }
}
