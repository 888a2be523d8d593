//! Takes the history of one store over into another.

use crate::store::{self, Marks, MonthCopy, OpenMonth, Store};
use crate::{Config, Counts, Error, Month, MonthTotals, now};

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
/// One of the stores cannot be opened or read. Months that were told of before
/// are copied.
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
    // A month of the future, from a clock that was wrong, does not close this one.
    let newest = totals.keys().next_back().copied();
    let newest = newest.map(|newest| Month::of(now()).map_or(newest, |today| newest.min(today)));
    let open = if source.character().closes_months {
        source.load()?.open
    } else {
        Vec::new()
    };
    for (number, (&month, found)) in totals.iter().enumerate() {
        let outcome = match relation(known.get(&month), found) {
            Relation::Same => Outcome::Same,
            Relation::Other => Outcome::Refused(Error::storage(
                format_args!("cannot copy {month}"),
                "the target has counts of its own for it",
            )),
            Relation::Behind => {
                let marks = marks(&mut *source, month, newest, &open)?;
                if matches!(marks, Marks::Keyed(_)) && from_realm != to_realm {
                    Outcome::Refused(Error::storage(
                        format_args!("cannot copy {month}"),
                        "it is open, and its markers were made for another host or secret",
                    ))
                } else {
                    let copy = MonthCopy {
                        counts: found.counts.clone(),
                        incomplete: found.incomplete,
                        marks,
                    };
                    let imported = target.import(month, &copy);
                    imported.map_or_else(Outcome::Refused, |()| Outcome::Copied)
                }
            }
        };
        each(month, &outcome, number + 1, totals.len());
    }
    Ok(())
}

/// Who is counted in a month. Where months do not close, the newest one counts
/// as open: its users must not count again in the target.
fn marks(
    source: &mut dyn Store,
    month: Month,
    newest: Option<Month>,
    open: &[OpenMonth],
) -> Result<Marks, Error> {
    if source.character().keeps_users && Some(month) >= newest {
        let users = source.users()?.into_iter();
        return Ok(Marks::Users(
            users
                .filter(|(_, last)| *last == month)
                .map(|(user, _)| user)
                .collect(),
        ));
    }
    let open = open.iter().find(|open| open.month == month);
    Ok(open.map_or(Marks::Closed, |open| Marks::Keyed(open.clone())))
}

enum Relation {
    /// Nothing to do.
    Same,
    /// The target has nothing, or an earlier state of the month.
    Behind,
    /// The target has something that the source has not.
    Other,
}

fn relation(target: Option<&MonthTotals>, source: &MonthTotals) -> Relation {
    let Some(target) = target else {
        return Relation::Behind;
    };
    let within = |counts: &Counts| {
        counts
            .iter()
            .all(|(key, count)| source.counts.get(key) >= Some(count))
    };
    if target.counts == source.counts && target.open <= source.open {
        Relation::Same
    } else if within(&target.counts) {
        Relation::Behind
    } else {
        Relation::Other
    }
}
