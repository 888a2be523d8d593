//! The files of the sealed store: content, encrypted file, closed month.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monthly_visitors::fuzzing::sealed;

fuzz_target!(|bytes: &[u8]| {
    let Some(([kind, bit_low, bit_high], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let bit = usize::from(u16::from_le_bytes([*bit_low, *bit_high]));
    match kind % 3 {
        0 => _ = sealed::content(rest),
        1 => sealed::file(rest, &[7; 32], bit),
        _ => sealed::closed_month(rest),
    }
});
