//! Reports: an immutable copy of the totals.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use monthly_visitors::geo::GeoTable;
use monthly_visitors::{Month, Totals};
use monthly_visitors_report::{Names, Options, Report, Style};

use crate::counter::{mv_counter, with};
use crate::guard;
use crate::status::{Failure, mv_error, mv_status};

/// An immutable copy of the totals. May be shared by threads.
pub struct mv_report {
    rows: Vec<mv_row>,
    /// What the rows point into.
    _strings: Vec<CString>,
    /// All of them: a report tells what has changed since the month before.
    totals: Totals,
    options: Options,
    host: String,
    places: Option<Arc<GeoTable>>,
    /// Looking for the names of cities takes a while, so it is left until a
    /// text is asked for.
    names: OnceLock<Names>,
    texts: Mutex<BTreeMap<String, CString>>,
}

// SAFETY: the pointers in the rows are to strings that the report owns and
// never changes.
unsafe impl Send for mv_report {}
// SAFETY: the same; `texts` has a lock.
unsafe impl Sync for mv_report {}

/// One count of a month. The report's: valid until that is freed. Later versions
/// may add fields at the end.
#[repr(C)]
pub struct mv_row {
    /// The month, "2026-11".
    pub month: *const c_char,
    /// What is counted: "geo-DE-HE-2925533", "client-IOS", "asn-AS3320".
    pub key: *const c_char,
    /// The number of users.
    pub count: u64,
}

/// Makes a report of the months from `first` to `last`, both included and
/// written "2026-11"; NULL means no bound. Visits that are not yet in the store
/// are counted too: the report waits up to ten seconds for the store to take
/// them. On success `*report` is to be given to `mv_report_free`; on failure it
/// is NULL. Fails with
/// `MV_ERR_ARGUMENT`, also when `first` is later than `last`, with
/// `MV_ERR_CLOSED` or with `MV_ERR_STORAGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_report_new(
    counter: *const mv_counter,
    first: *const c_char,
    last: *const c_char,
    report: *mut *const mv_report,
    error: *mut mv_error,
) -> mv_status {
    // SAFETY: NULL or writable by contract.
    if let Some(report) = unsafe { report.as_mut() } {
        *report = ptr::null();
    }
    // SAFETY: same contract.
    unsafe {
        with(counter, error, |counter| {
            let to = guard::handle_mut("report", report)?;
            let (first, last) = (month("first", first)?, month("last", last)?);
            let options = Options {
                first,
                last,
                ..Options::default()
            };
            let totals = counter.totals()?;
            // Says whether the first month is later than the last.
            Report::new(&totals, &options)?;
            *to = Box::into_raw(Box::new(mv_report::new(
                totals,
                options,
                counter.host()?,
                counter.places()?,
            )));
            Ok(())
        })
    }
}

/// An optional month.
///
/// # Safety
///
/// `text` is NULL or points to a NUL-terminated string.
unsafe fn month(name: &str, text: *const c_char) -> Result<Option<Month>, Failure> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: same contract.
    let text = unsafe { guard::text(name, text) }?;
    text.parse()
        .map(Some)
        .map_err(|_| Failure::argument(format!("{name} is not written as YYYY-MM")))
}

impl mv_report {
    fn new(totals: Totals, options: Options, host: String, places: Option<Arc<GeoTable>>) -> Self {
        let mut strings = Vec::new();
        let mut rows = Vec::new();
        let first = options.first.unwrap_or(Month::FIRST);
        let last = options.last.unwrap_or(Month::LAST);
        for (month, totals) in totals.range(first..=last) {
            let month = c_string(&month.to_string());
            for (key, &count) in &totals.counts {
                let key = c_string(key.as_str());
                // A `CString` stays where it is when it is moved.
                rows.push(mv_row {
                    month: month.as_ptr(),
                    key: key.as_ptr(),
                    count,
                });
                strings.push(key);
            }
            strings.push(month);
        }
        Self {
            rows,
            _strings: strings,
            totals,
            options,
            host,
            places,
            names: OnceLock::new(),
            texts: Mutex::default(),
        }
    }
}

impl mv_report {
    /// The text in a format, made when it is first asked for.
    fn text(&self, format: &str) -> Result<*const c_char, Failure> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = texts.get(format) {
            return Ok(text.as_ptr());
        }
        let format_wanted = format.parse()?;
        let report = Report::new(&self.totals, &self.options)?;
        let names = self.names.get_or_init(|| Names {
            host: self.host.clone(),
            cities: self
                .places
                .as_ref()
                .map(|places| places.city_names(&report.cities()))
                .unwrap_or_default(),
        });
        let text = c_string(&report.text(format_wanted, Style::Plain, names)?);
        let pointer = text.as_ptr();
        texts.insert(format.to_owned(), text);
        Ok(pointer)
    }
}

/// A key from elsewhere may contain NUL, which C could not show.
fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// The number of rows of a report, one for each month and key. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_report_len(report: *const mv_report) -> usize {
    // SAFETY: NULL or valid by contract.
    unsafe { report.as_ref() }.map_or(0, |report| report.rows.len())
}

/// A row of a report, sorted by month and then by key; NULL when there is none
/// of that number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_report_row(report: *const mv_report, index: usize) -> *const mv_row {
    // SAFETY: NULL or valid by contract.
    unsafe { report.as_ref() }
        .and_then(|report| report.rows.get(index))
        .map_or(ptr::null(), ptr::from_ref)
}

/// The report as text: "table" for people, "json", "csv", or "prosody", which is
/// the data file of the Prosody plugin. UTF-8, the report's: valid until that is
/// freed. NULL when there is no format of that name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_report_text(
    report: *const mv_report,
    format: *const c_char,
) -> *const c_char {
    let body = || {
        // SAFETY: NULL or valid by contract.
        let report = unsafe { guard::handle("report", report) }?;
        // SAFETY: NULL or NUL-terminated by contract.
        let format = unsafe { guard::text("format", format) }?;
        report.text(format)
    };
    guard::protect(None, body).unwrap_or(ptr::null())
}

/// Frees a report, and all that was asked of it. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_report_free(report: *const mv_report) {
    if !report.is_null() {
        // SAFETY: from `Box::into_raw`, and not used again by contract.
        drop(unsafe { Box::from_raw(report.cast_mut()) });
    }
}
