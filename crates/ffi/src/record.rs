//! Recording logins.

use std::ffi::c_char;

use monthly_visitors::{Address, Login, Resource, User, now};

use crate::counter::{DEFAULT, mv_counter};
use crate::guard;
use crate::status::{Failure, MV_OK, mv_status};

/// The time of the system clock, as an argument of `mv_record`.
pub const MV_NOW: i64 = i64::MIN;

/// Counts a login of `user` from address `ip` now, in the default counter.
///
/// Only memory is touched; a writer thread makes it durable. `user` is compared
/// byte by byte, so pass it normalised, without the resource. `ip` and
/// `resource` may be NULL (unknown). `ip` may be any text: what is no address
/// counts as an unknown place. The strings are copied. Fails with
/// `MV_ERR_ARGUMENT`, `MV_ERR_CLOSED`, `MV_ERR_MONTH` or `MV_ERR_FULL`, or with
/// `MV_ERR_STORAGE` when the system has no randomness for the key of a new
/// month; the caller may ignore the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_record_login(
    user: *const c_char,
    ip: *const c_char,
    resource: *const c_char,
) -> mv_status {
    // SAFETY: same contract.
    unsafe { mv_record(&raw const DEFAULT, user, ip, resource, MV_NOW) }
}

/// Counts a login like `mv_record_login`, in any counter, at any time: `time`
/// is `MV_NOW` or in Unix seconds, between 1970 and 9999.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mv_record(
    counter: *const mv_counter,
    user: *const c_char,
    ip: *const c_char,
    resource: *const c_char,
    time: i64,
) -> mv_status {
    // SAFETY: NULL or valid by contract.
    let counter = match unsafe { guard::handle("counter", counter) } {
        Ok(counter) => &counter.0,
        Err(failure) => return failure.code,
    };
    let body = || {
        // SAFETY: NULL or NUL-terminated by contract.
        let user = unsafe { guard::optional(user) };
        // SAFETY: the same.
        let address = unsafe { guard::optional(ip) };
        // SAFETY: the same.
        let resource = unsafe { guard::optional(resource) };
        let login = Login {
            user: User::new(user.ok_or_else(|| Failure::argument("user is NULL"))?)?,
            address: address.map(Address::new),
            resource: resource.map(Resource::new).transpose()?,
            time: if time == MV_NOW { now() } else { time },
        };
        Ok(counter.record(&login)?)
    };
    match guard::protect(Some(counter), body) {
        Ok(()) => MV_OK,
        Err(failure) => failure.code,
    }
}
