//! The C interface as a sequence of calls: valid handles, any strings and
//! times. No internal error, no name in a message, and in each report as many
//! users by place as by client.
#![no_main]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;

use libfuzzer_sys::fuzz_target;
// So that it is linked.
use monthly_visitors_fuzz_ffi as _;
use tempfile::TempDir;

#[repr(C)]
struct Error {
    code: i32,
    message: [c_char; 252],
}

#[repr(C)]
struct Row {
    month: *const c_char,
    key: *const c_char,
    count: u64,
}

type Text = *const c_char;
type Handle = *const c_void;

unsafe extern "C" {
    fn mv_config_new() -> Handle;
    fn mv_config_free(config: Handle);
    fn mv_config_set(config: Handle, key: Text, value: Text, error: *mut Error) -> i32;
    fn mv_config_add_client(
        config: Handle,
        pattern: Text,
        category: Text,
        error: *mut Error,
    ) -> i32;
    fn mv_config_set_log(
        config: Handle,
        log: extern "C" fn(Handle, i32, Text),
        userdata: Handle,
    ) -> i32;
    fn mv_default() -> Handle;
    fn mv_new() -> Handle;
    fn mv_free(counter: Handle);
    fn mv_open(counter: Handle, config: Handle, error: *mut Error) -> i32;
    fn mv_flush(counter: Handle, timeout_ms: u32, error: *mut Error) -> i32;
    fn mv_close(counter: Handle, error: *mut Error) -> i32;
    fn mv_reload_geoip(counter: Handle, error: *mut Error) -> i32;
    fn mv_purge(counter: Handle, before_month: Text, error: *mut Error) -> i32;
    fn mv_forget(counter: Handle, user: Text, error: *mut Error) -> i32;
    fn mv_copy(from: Handle, to: Handle, error: *mut Error) -> i32;
    fn mv_health(counter: Handle, name: Text, value: *mut i64, error: *mut Error) -> i32;
    fn mv_record_login(user: Text, ip: Text, resource: Text) -> i32;
    fn mv_record(counter: Handle, user: Text, ip: Text, resource: Text, time: i64) -> i32;
    fn mv_report_new(
        counter: Handle,
        first: Text,
        last: Text,
        report: *mut Handle,
        error: *mut Error,
    ) -> i32;
    fn mv_report_len(report: Handle) -> usize;
    fn mv_report_row(report: Handle, index: usize) -> *const Row;
    fn mv_report_text(report: Handle, format: Text) -> Text;
    fn mv_report_free(report: Handle);
    fn mv_strerror(status: i32) -> Text;
}

/// In each user, address and resource.
const CANARY: &str = "kanarie";
const MAX_CALLS: usize = 40;
const CLOSED: i32 = -3;
const INTERNAL: i32 = -9;
const MONTH: i64 = 2_629_800;
const OCTOBER: i64 = 1_791_633_600;

fuzz_target!(|bytes: &[u8]| {
    let dir = TempDir::new().unwrap();
    let mut host = Host::new(dir, bytes);
    for _ in 0..MAX_CALLS {
        if host.bytes.is_empty() {
            break;
        }
        host.call();
    }
});

/// A host with three counters, the default one among them, and three settings.
struct Host<'a> {
    dir: TempDir,
    bytes: &'a [u8],
    counters: [Handle; 3],
    configs: [Handle; 3],
    error: Error,
}

impl<'a> Host<'a> {
    fn new(dir: TempDir, bytes: &'a [u8]) -> Self {
        // SAFETY: they take nothing.
        let (default, new) = unsafe { (mv_default(), [mv_new(), mv_new()]) };
        let mut host = Self {
            dir,
            bytes,
            counters: [default, new[0], new[1]],
            // SAFETY: it takes nothing.
            configs: [(); 3].map(|()| unsafe { mv_config_new() }),
            error: Error {
                code: 0,
                message: [0; 252],
            },
        };
        for (number, store) in ["memory:", "sealed:", "prosody:"].into_iter().enumerate() {
            host.set_store(number, store);
        }
        host
    }

    fn set_store(&mut self, config: usize, store: &str) {
        let dir = if store == "memory:" {
            "".into()
        } else {
            self.dir.path().display().to_string()
        };
        let url = CString::new(format!("{store}{dir}")).unwrap();
        let config = self.configs[config];
        // SAFETY: valid until the host is dropped.
        let status =
            unsafe { mv_config_set(config, c"store".as_ptr(), url.as_ptr(), &mut self.error) };
        assert_eq!(status, 0);
        // SAFETY: the same.
        assert_eq!(
            unsafe { mv_config_set_log(config, check_line, ptr::null()) },
            0
        );
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        *first
    }

    fn counter(&mut self) -> Handle {
        self.counters[usize::from(self.byte() % 3)]
    }

    fn config(&mut self) -> Handle {
        self.configs[usize::from(self.byte() % 3)]
    }

    /// Any text: its length, and so many bytes, without NUL and canary: the
    /// names in settings may be shown.
    fn any(&mut self) -> CString {
        let len = usize::from(self.byte()).min(self.bytes.len());
        let (text, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != 0).collect();
        let text = if contains_canary(&text) {
            Vec::new()
        } else {
            text
        };
        CString::new(text).unwrap()
    }

    /// A text with the canary in it, now and then any or one that is too long.
    fn named(&mut self) -> CString {
        match self.byte() {
            0..200 => {
                let number = self.byte() % 32;
                CString::new(format!("{CANARY}{number}")).unwrap()
            }
            200..250 => {
                let mut text = CANARY.as_bytes().to_vec();
                text.extend(self.any().as_bytes());
                CString::new(text).unwrap()
            }
            250..254 => CString::new(CANARY.repeat(500)).unwrap(),
            _ => CString::default(),
        }
    }

    fn time(&mut self) -> i64 {
        match self.byte() {
            number @ 0..100 => OCTOBER + MONTH * i64::from(number % 16) / 8,
            number @ 100..240 => OCTOBER + MONTH * i64::from(number - 100),
            240..245 => i64::MIN,
            _ => {
                let mut bytes = [0; 8];
                bytes.fill_with(|| self.byte());
                i64::from_le_bytes(bytes)
            }
        }
    }

    fn month(&mut self) -> CString {
        match self.byte() {
            number @ 0..200 => {
                CString::new(format!("20{}-{:02}", 26 + number % 3, 1 + number % 12)).unwrap()
            }
            _ => self.any(),
        }
    }

    /// NULL for one byte in eight.
    fn or_null(&mut self, text: &CString) -> Text {
        if self.byte() % 8 == 0 {
            ptr::null()
        } else {
            text.as_ptr()
        }
    }

    fn call(&mut self) {
        let counter = self.counter();
        let error: *mut Error = &mut self.error;
        // SAFETY: handles are valid until the host is dropped, strings for the
        // length of a call, and nobody else uses them.
        let status = match self.byte() % 32 {
            0..12 => {
                let (user, ip, resource) = (self.named(), self.named(), self.named());
                let time = self.time();
                let (ip, resource) = (self.or_null(&ip), self.or_null(&resource));
                unsafe { mv_record(counter, user.as_ptr(), ip, resource, time) }
            }
            12 => {
                let user = self.named();
                unsafe { mv_record_login(user.as_ptr(), c"192.0.2.1".as_ptr(), c"Zom-1".as_ptr()) }
            }
            13..17 => {
                let config = self.config();
                unsafe { mv_open(counter, config, error) }
            }
            17..19 => {
                let timeout = u32::from(self.byte()) * 4;
                unsafe { mv_flush(counter, timeout, error) }
            }
            19 => unsafe { mv_close(counter, error) },
            20 => {
                let user = self.named();
                unsafe { mv_forget(counter, user.as_ptr(), error) }
            }
            21 => {
                let month = self.month();
                unsafe { mv_purge(counter, month.as_ptr(), error) }
            }
            22 => {
                let keys = [
                    c"host",
                    c"pattern_syntax",
                    c"record_countries",
                    c"retention_months",
                    c"flush_interval",
                    c"pending_limit",
                    c"read_only",
                    c"no_such_key",
                ];
                let key = keys[usize::from(self.byte()) % keys.len()];
                let (config, value) = (self.config(), self.any());
                unsafe { mv_config_set(config, key.as_ptr(), value.as_ptr(), error) }
            }
            23 => {
                let (config, pattern, category) = (self.config(), self.any(), self.any());
                unsafe { mv_config_add_client(config, pattern.as_ptr(), category.as_ptr(), error) }
            }
            24 => {
                let (from, to) = (self.config(), self.config());
                unsafe { mv_copy(from, to, error) }
            }
            25 => {
                let names = [
                    c"pending",
                    c"last_flush",
                    c"failing",
                    c"geoip_built",
                    c"nonsense",
                ];
                let name = names[usize::from(self.byte()) % names.len()];
                let mut value = 0;
                unsafe { mv_health(counter, name.as_ptr(), &mut value, error) }
            }
            26 => unsafe { mv_reload_geoip(counter, error) },
            _ => self.report(counter),
        };
        assert!((INTERNAL + 1..=0).contains(&status), "status {status}");
        // SAFETY: a static text.
        assert!(!unsafe { CStr::from_ptr(mv_strerror(status)) }.is_empty());
        check_text(&self.error.message);
    }

    fn report(&mut self, counter: Handle) -> i32 {
        let (first, last) = (self.month(), self.month());
        let (first, last) = (self.or_null(&first), self.or_null(&last));
        let mut report = ptr::null();
        // SAFETY: as in `call`; rows and texts live as long as the report.
        unsafe {
            let status = mv_report_new(counter, first, last, &mut report, &mut self.error);
            if status != 0 {
                return status;
            }
            let (mut places, mut clients) = (0, 0);
            for index in 0..mv_report_len(report) {
                let row = &*mv_report_row(report, index);
                let key = CStr::from_ptr(row.key).to_bytes();
                let sum = if key.starts_with(b"geo-") {
                    &mut places
                } else {
                    &mut clients
                };
                *sum += row.count;
                assert!(!contains_canary(key));
            }
            assert_eq!(places, clients, "users by place and by client");
            assert!(mv_report_row(report, mv_report_len(report)).is_null());
            for format in [c"table", c"json", c"csv", c"prosody"] {
                assert!(!mv_report_text(report, format.as_ptr()).is_null());
            }
            let format = self.any();
            mv_report_text(report, format.as_ptr());
            mv_report_free(report);
            status
        }
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        // SAFETY: nobody uses them any more.
        unsafe {
            // The store is whole, so that nothing may stay behind for the next.
            let status = mv_close(self.counters[0], ptr::null_mut());
            if status != 0 && status != CLOSED {
                eprintln!("the counter was not closed: status {status}");
                std::process::abort();
            }
            for counter in &self.counters[1..] {
                mv_free(*counter);
            }
            for config in self.configs {
                mv_config_free(config);
            }
        }
    }
}

extern "C" fn check_line(_: Handle, _: i32, line: Text) {
    // SAFETY: the library gives a text that is NUL-terminated.
    let line = unsafe { CStr::from_ptr(line) };
    if contains_canary(line.to_bytes()) {
        // A panic must not pass through the library.
        eprintln!("a name in a log line");
        std::process::abort();
    }
}

fn check_text(message: &[c_char]) {
    let bytes: Vec<u8> = message
        .iter()
        .map(|letter| letter.to_ne_bytes()[0])
        .collect();
    let text = CStr::from_bytes_until_nul(&bytes).expect("NUL-terminated");
    let text = text.to_str().expect("UTF-8");
    assert!(!contains_canary(text.as_bytes()), "a name in a message");
    assert!(!text.contains('\n'));
}

fn contains_canary(text: &[u8]) -> bool {
    text.windows(CANARY.len())
        .any(|part| part == CANARY.as_bytes())
}
