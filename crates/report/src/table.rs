//! A report for people: a heading and aligned columns for each month.

use anstyle::Style as Ansi;
use monthly_visitors::Kind;
use unicode_width::UnicodeWidthStr;

use crate::names::printable;
use crate::number::{counted, difference, grouped, relative, share};
use crate::{By, MonthReport, Names, Report, Section, Style};

/// Space between columns; within a number there may be one.
const GAP: &str = "   ";

struct Paint {
    heading: Ansi,
    aside: Ansi,
}

pub(crate) fn text(report: &Report<'_>, style: Style, names: &Names) -> String {
    let paint = match style {
        Style::Plain => Paint {
            heading: Ansi::new(),
            aside: Ansi::new(),
        },
        Style::Colour => Paint {
            heading: Ansi::new().bold(),
            aside: Ansi::new().dimmed(),
        },
    };
    let mut blocks = Vec::new();
    if !names.host.is_empty() {
        let title = format!("Monthly users of {}", printable(&names.host));
        blocks.push(paint.heading(&title) + "\n");
    }
    if report.months().is_empty() {
        blocks.push("No totals.\n".into());
    }
    for month in report.months() {
        blocks.push(month_heading(month, report.by(), &paint));
        let sections = month.sections.iter();
        blocks.extend(
            sections
                .filter(|section| !section.lines.is_empty() || has_gone(section))
                .map(|section| section_text(section, month, report.by(), names, &paint)),
        );
    }
    blocks.join("\n")
}

fn month_heading(month: &MonthReport<'_>, by: By, paint: &Paint) -> String {
    let so_far = if month.open { " so far" } else { "" };
    let users = counted(month.users, "user", "users");
    let mut text = paint.heading(&format!("{}: {users}{so_far}", month.month));
    if let Some((before, users)) = month.before {
        let change = match relative(users, month.users) {
            percentage if percentage.is_empty() => String::new(),
            percentage => format!(" ({percentage})"),
        };
        let difference = difference(users, month.users);
        text += &paint.aside(&format!(", {difference}{change} since {before}"));
    }
    text.push('\n');
    for note in notes(month, by) {
        text += &note;
        text.push('\n');
    }
    text
}

/// What a reader must know to take the numbers for what they are.
fn notes(month: &MonthReport<'_>, by: By) -> Vec<String> {
    let mut notes = Vec::new();
    if month.incomplete {
        notes.push(
            "Incomplete: visits of this month were lost with its key or its file, so that the \
             numbers are\ntoo low, or some users were counted again."
                .into(),
        );
    }
    let (places, clients) = month.sums;
    if places != clients {
        notes.push(format!(
            "The places add up to {}, the clients to {}; they should be equal, so one of \
             them is wrong.",
            counted(places, "user", "users"),
            grouped(clients)
        ));
    }
    let networks = month.sections.iter().find(|s| s.kind == Kind::Asn);
    if let Some(networks) = networks.filter(|s| s.sum != month.users && !s.lines.is_empty()) {
        notes.push(format!(
            "The networks add up to {}: visits have one only while `asn` is configured.",
            counted(networks.sum, "user", "users")
        ));
    }
    if by != By::All && month.sections.iter().all(|s| s.lines.is_empty()) && month.users > 0 {
        notes.push(format!("Nothing was counted by {by}."));
    }
    notes
}

fn has_gone(section: &Section<'_>) -> bool {
    section.gone.is_some_and(|gone| gone.rows > 0)
}

fn section_text(
    section: &Section<'_>,
    month: &MonthReport<'_>,
    by: By,
    names: &Names,
    paint: &Paint,
) -> String {
    let (one, many) = words(section.kind, by);
    let before = month.before.filter(|_| section.gone.is_some());
    let since = before.map(|(before, _)| format!("Since {before}"));

    let mut rows: Vec<_> = section
        .lines
        .iter()
        .map(|line| (names.label(&line.item), line))
        .collect();
    rows.sort_by(|(name, line), (other_name, other)| {
        (other.count, name, line.item).cmp(&(line.count, other_name, other.item))
    });
    let rows = rows.into_iter().map(|(name, line)| {
        let (absolute, percentage) = match (&since, line.before) {
            (None, _) => (String::new(), String::new()),
            (Some(_), None) => ("new".into(), String::new()),
            (Some(_), Some(before)) => {
                (difference(before, line.count), relative(before, line.count))
            }
        };
        // What other keys count is not known, so neither is what is a whole.
        let share = match section.kind {
            Kind::Other => String::new(),
            _ => share(line.count, section.sum),
        };
        [name, grouped(line.count), share, absolute, percentage]
    });
    let share = if section.kind == Kind::Other {
        ""
    } else {
        "Share"
    };
    let title = [capital(one), "Users".into(), share.into()];
    let mut text = aligned(title, since.as_deref(), &rows.collect::<Vec<_>>(), paint);

    if let Some((gone, before)) = section.gone.filter(|gone| gone.rows > 0).zip(before) {
        let yet = if month.open { " yet" } else { "" };
        let have = if gone.rows == 1 { "has" } else { "have" };
        let aside = format!(
            "{} of {} with {} {have} none{yet}.",
            counted(gone.rows, one, many),
            before.0,
            counted(gone.users, "user", "users"),
        );
        text += &paint.aside(&aside);
        text.push('\n');
    }
    text
}

fn words(kind: Kind, by: By) -> (&'static str, &'static str) {
    match (kind, by) {
        (Kind::Place, By::Country) => ("country", "countries"),
        (Kind::Place, By::Subdivision) => ("subdivision", "subdivisions"),
        (Kind::Place, _) => ("place", "places"),
        (Kind::Client, _) => ("client", "clients"),
        (Kind::Asn, _) => ("network", "networks"),
        (Kind::Other, _) => ("other key", "other keys"),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Names to the left, numbers to the right, both as wide as the widest.
fn aligned(title: [String; 3], since: Option<&str>, rows: &[[String; 5]], paint: &Paint) -> String {
    let [name, users, share] = title;
    let head = [name, users, share, String::new(), String::new()];
    let mut widths = [0; 5];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    let [names, users, shares, absolutes, percentages] = widths;
    let left = |[name, count, share, ..]: &[String; 5]| {
        let pad = " ".repeat(names.saturating_sub(name.width()));
        format!("{name}{pad}{GAP}{count:>users$}{GAP}{share:>shares$}")
    };
    // The heading is above both columns of changes, which grow to its width.
    let since = since.unwrap_or_default();
    let absolutes = absolutes.max(since.width().saturating_sub(GAP.len() + percentages));
    let changes = absolutes + GAP.len() + percentages;
    let right = format!("{GAP}{since:>changes$}");
    let mut text = paint.heading((left(&head) + &right).trim_end()) + "\n";
    for row in rows {
        let [_, _, _, absolute, percentage] = row;
        let change = format!("{GAP}{absolute:>absolutes$}{GAP}{percentage:>percentages$}");
        let change = change.trim_end();
        if change.is_empty() {
            text += left(row).trim_end();
        } else {
            text += &left(row);
            text += &paint.aside(change);
        }
        text.push('\n');
    }
    text
}

impl Paint {
    fn heading(&self, text: &str) -> String {
        format!("{}{text}{:#}", self.heading, self.heading)
    }

    fn aside(&self, text: &str) -> String {
        format!("{}{text}{:#}", self.aside, self.aside)
    }
}
