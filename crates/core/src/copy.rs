//! Takes the history of one store over into another.

use crate::store::{self, Marks, Store};
use crate::{Config, Counts, Error, Month, MonthTotals};

/// What became of a month.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was written.
    Copied,
    /// It was there already.
    Same,
    /// It stayed as it is, because of this.
    Refused(Error),
}

/// Copies all months of `from` into `to`, and tells `each` what became of each,
/// with its number and the number of months. May be repeated: what is there
/// already stays, and what has grown since is replaced.
///
/// A month that the target has counted in by itself is refused. So is an open
/// month whose markers the target cannot keep: its users would count twice.
///
/// `from` is read while another process may record into it; `to` is opened to
/// record.
///
/// # Errors
///
/// One of the stores cannot be opened or read. A month that cannot be read is
/// refused, and the others are copied.
pub fn copy(
    from: &Config,
    to: &Config,
    mut each: impl FnMut(Month, &Outcome, usize, usize),
) -> Result<(), Error> {
    if from.store == to.store {
        return Err(Error::config("store", "a store cannot be copied to itself"));
    }
    let mut from_config = from.clone();
    from_config.read_only = true;
    let (from_realm, to_realm) = (from.realm()?, to.realm()?);
    let mut source = store::open(&from_config, &from_realm)?;
    let mut target = store::open(to, &to_realm)?;
    let totals = source.totals()?;
    let known = target.totals()?;
    let mut copying = Copying {
        source: &mut *source,
        target: &mut *target,
        same_realm: from_realm == to_realm,
    };
    for (number, (&month, found)) in totals.iter().enumerate() {
        let known = known.get(&month);
        let outcome = match relation(known, &found.counts, found.open) {
            Relation::Same => Outcome::Same,
            _ => copying.month(month, known).unwrap_or_else(Outcome::Refused),
        };
        each(month, &outcome, number + 1, totals.len());
    }
    Ok(())
}

struct Copying<'a> {
    source: &'a mut dyn Store,
    target: &'a mut dyn Store,
    /// Whether a user has the same marker in both.
    same_realm: bool,
}

impl Copying<'_> {
    /// Copies a month as it is now. An error refuses it.
    fn month(&mut self, month: Month, known: Option<&MonthTotals>) -> Result<Outcome, Error> {
        let cannot =
            |reason: &str| Err(Error::storage(format_args!("cannot copy {month}"), reason));
        let Some(copy) = self.source.export(month)? else {
            return cannot("it was deleted meanwhile");
        };
        let open = !matches!(copy.marks, Marks::Closed);
        match relation(known, &copy.counts, open) {
            Relation::Same => return Ok(Outcome::Same),
            Relation::Other => {
                return cannot("the target has counts of its own for it; copy into an empty store");
            }
            Relation::Behind => (),
        }
        if matches!(copy.marks, Marks::Keyed(_)) && !self.same_realm {
            return cannot(
                "it is open, and its markers were made for another host or secret; \
                 set the same ones, or copy it when it is closed",
            );
        }
        self.target.import(month, &copy)?;
        Ok(Outcome::Copied)
    }
}

enum Relation {
    /// Nothing to do.
    Same,
    /// The target has nothing, or an earlier state of the month.
    Behind,
    /// The target has something that the source has not.
    Other,
}

/// How what the target has of a month relates to what the source has.
fn relation(target: Option<&MonthTotals>, source: &Counts, open: bool) -> Relation {
    let Some(target) = target else {
        return Relation::Behind;
    };
    let within = |counts: &Counts| {
        counts
            .iter()
            .all(|(key, count)| source.get(key) >= Some(count))
    };
    if target.counts == *source && target.open <= open {
        Relation::Same
    } else if within(&target.counts) {
        Relation::Behind
    } else {
        Relation::Other
    }
}
