//! Totals: month → key → number of users.

use std::collections::BTreeMap;

use crate::{Key, Month};

/// Number of users by key.
pub type Counts = BTreeMap<Key, u64>;

/// All that is known of one month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MonthTotals {
    /// The counts.
    pub counts: Counts,
    /// The counts may still grow.
    pub open: bool,
    /// Visits of this month were lost, because its key or its file was: the
    /// counts are too low, or users were counted again.
    pub incomplete: bool,
}

/// Totals by month, in order of time.
pub type Totals = BTreeMap<Month, MonthTotals>;
