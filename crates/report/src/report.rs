//! The months of a report: restricted, folded, sorted and compared.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use monthly_visitors::store::dat;
use monthly_visitors::{Error, Kind, Month, MonthTotals, Totals};

use crate::{By, Format, Item, Names, Options, Style, csv, json, table};

/// Totals, ready to be read: restricted to some months, folded to a level,
/// sorted, and compared with the month before. Borrows the totals.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    totals: &'a Totals,
    by: By,
    months: Vec<MonthReport<'a>>,
}

/// One month of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthReport<'a> {
    /// The month.
    pub month: Month,
    /// The counts may still grow.
    pub open: bool,
    /// Visits of this month were lost, or users counted again.
    pub incomplete: bool,
    /// Number of users, whatever the rows are: the sum of the places or, where
    /// no place was counted, of the clients.
    pub users: u64,
    /// The sum of all places, and that of all clients. A counter keeps
    /// them equal; files that something else has written may not.
    pub sums: (u64, u64),
    /// The newest earlier month that has totals, and its number of users. It
    /// need not be in the report.
    pub before: Option<(Month, u64)>,
    /// One for each kind of key that the report is about, empty ones included,
    /// in the order places, clients, networks, others.
    pub sections: Vec<Section<'a>>,
}

/// The rows of one kind in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// What is counted.
    pub kind: Kind,
    /// The sum of all rows.
    pub sum: u64,
    /// The rows, the largest count first; equal counts by item.
    pub lines: Vec<Line<'a>>,
    /// What the earlier month has and this one has not. `None` when there is
    /// no earlier month, or it has nothing of this kind: then there is nothing
    /// to compare with.
    pub gone: Option<Gone>,
}

/// One row of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// What is counted.
    pub item: Item<'a>,
    /// Number of users.
    pub count: u64,
    /// Number of users in the earlier month; `None` when it has no such row.
    pub before: Option<u64>,
}

/// The rows of the earlier month that have no users in this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Number of rows.
    pub rows: u64,
    /// Their users in the earlier month.
    pub users: u64,
}

/// One count of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The month.
    pub month: Month,
    /// The section that the row is in.
    pub kind: Kind,
    /// What is counted.
    pub item: Item<'a>,
    /// Number of users.
    pub count: u64,
}

impl<'a> Report<'a> {
    /// Restricts, folds, sorts and compares `totals`.
    ///
    /// Comparisons reach beyond the bounds, so that the first month of a
    /// report has changes too, as far as `totals` holds the month before.
    ///
    /// # Errors
    ///
    /// The first month is later than the last.
    pub fn new(totals: &'a Totals, options: &Options) -> Result<Self, Error> {
        let first = options.first.unwrap_or(Month::FIRST);
        let last = options.last.unwrap_or(Month::LAST);
        if first > last {
            return Err(Error::Argument("first month is later than last".into()));
        }
        let newest = options
            .last_n
            .and_then(|count| usize::try_from(count.get()).ok())
            .unwrap_or(usize::MAX);
        let mut months: Vec<_> = totals
            .range(first..=last)
            .rev()
            .take(newest)
            .map(|(month, found)| {
                let before = totals.range(..month).next_back();
                MonthReport::new((*month, found), before, options.by)
            })
            .collect();
        months.reverse();
        Ok(Self {
            totals,
            by: options.by,
            months,
        })
    }

    /// There is no row in it: nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows().next().is_none()
    }

    /// What the rows are.
    #[must_use]
    pub fn by(&self) -> By {
        self.by
    }

    /// The months that have totals, in order of time.
    #[must_use]
    pub fn months(&self) -> &[MonthReport<'a>] {
        &self.months
    }

    /// All counts: by month, then places, clients, networks and others, then
    /// the largest first, then by item.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> + '_ {
        self.months.iter().flat_map(|month| {
            month.sections.iter().flat_map(|section| {
                section.lines.iter().map(|line| Row {
                    month: month.month,
                    kind: section.kind,
                    item: line.item,
                    count: line.count,
                })
            })
        })
    }

    /// `GeoNames` ids of all cities in the report, so that a caller need look
    /// up no other names.
    #[must_use]
    pub fn cities(&self) -> BTreeSet<u32> {
        self.rows()
            .filter_map(|row| match row.item {
                Item::Place { city, .. } => city,
                _ => None,
            })
            .collect()
    }

    /// The report as text that ends with a line break. Equal totals, options
    /// and names give equal bytes. `style` matters to a table only.
    ///
    /// # Errors
    ///
    /// The format is [`Format::Prosody`], and the report is folded to
    /// countries or subdivisions: the Lua plugin has no keys for them.
    pub fn text(&self, format: Format, style: Style, names: &Names) -> Result<String, Error> {
        match format {
            Format::Table => Ok(table::text(self, style, names)),
            Format::Json => json::text(self, names),
            Format::Csv => csv::text(self, names),
            Format::Prosody if matches!(self.by, By::Country | By::Subdivision) => {
                let reason = "format prosody holds whole keys, not countries or subdivisions";
                Err(Error::Argument(reason.into()))
            }
            Format::Prosody => Ok(dat::totals_to_text(&self.restricted())),
        }
    }

    /// The totals of this report, unfolded.
    fn restricted(&self) -> Totals {
        let months = self.months.iter().map(|month| month.month);
        months
            .filter_map(|month| {
                let mut found = self.totals.get(&month)?.clone();
                found
                    .counts
                    .retain(|key, _| self.by.kinds().contains(&key.kind()));
                Some((month, found))
            })
            .collect()
    }
}

impl<'a> MonthReport<'a> {
    fn new(
        (month, totals): (Month, &'a MonthTotals),
        before: Option<(&'a Month, &'a MonthTotals)>,
        by: By,
    ) -> Self {
        let sections = by.kinds().iter().map(|kind| {
            let before = before.map(|(_, totals)| fold(totals, *kind, by));
            Section::new(*kind, &fold(totals, *kind, by), before.as_ref())
        });
        Self {
            month,
            open: totals.open,
            incomplete: totals.incomplete,
            users: users(totals),
            sums: (sum(totals, Kind::Place), sum(totals, Kind::Client)),
            before: before.map(|(month, totals)| (*month, users(totals))),
            sections: sections.collect(),
        }
    }
}

type Folded<'a> = BTreeMap<Item<'a>, u64>;

impl<'a> Section<'a> {
    fn new(kind: Kind, now: &Folded<'a>, before: Option<&Folded<'a>>) -> Self {
        let before = before.filter(|before| !before.is_empty());
        let mut lines: Vec<_> = now
            .iter()
            .map(|(item, count)| Line {
                item: *item,
                count: *count,
                before: before.and_then(|before| before.get(item).copied()),
            })
            .collect();
        lines.sort_by_key(|line| Reverse(line.count));
        Self {
            kind,
            sum: lines
                .iter()
                .fold(0, |sum: u64, line| sum.saturating_add(line.count)),
            lines,
            gone: before.map(|before| gone(now, before)),
        }
    }
}

fn gone(now: &Folded<'_>, before: &Folded<'_>) -> Gone {
    before
        .iter()
        .filter(|(item, _)| !now.contains_key(item))
        .fold(Gone::default(), |gone, (_, count)| Gone {
            rows: gone.rows + 1,
            users: gone.users.saturating_add(*count),
        })
}

/// The counts of one kind, without the zeros that a file may hold: nobody is
/// no row.
fn fold(totals: &MonthTotals, kind: Kind, by: By) -> Folded<'_> {
    let mut folded = Folded::new();
    let counts = totals.counts.iter();
    for (key, count) in counts.filter(|(key, count)| key.kind() == kind && **count > 0) {
        let sum = folded.entry(Item::of(key, by)).or_default();
        *sum = sum.saturating_add(*count);
    }
    folded
}

fn sum(totals: &MonthTotals, kind: Kind) -> u64 {
    let counts = totals.counts.iter().filter(|(key, _)| key.kind() == kind);
    counts.fold(0, |sum, (_, count)| sum.saturating_add(*count))
}

fn users(totals: &MonthTotals) -> u64 {
    match sum(totals, Kind::Place) {
        0 => sum(totals, Kind::Client),
        places => places,
    }
}
