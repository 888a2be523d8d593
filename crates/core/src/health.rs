//! How a counter is, without a word about anybody it counts.

/// What an administrator watches.
///
/// Nothing here moves with a single login except `pending`, which a counter
/// that works empties once in each flush interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Visits that wait for the store.
    pub pending: usize,
    /// When the store was last written, in Unix seconds; `None` if it was not
    /// since the counter was opened.
    pub last_flush: Option<i64>,
    /// The last try to write the store failed.
    pub failing: bool,
    /// When the database of places was built, in Unix seconds; `None` without
    /// one.
    pub geoip_built: Option<u64>,
    /// When the database of networks was built, in Unix seconds; `None` without
    /// one.
    pub asn_built: Option<u64>,
}
