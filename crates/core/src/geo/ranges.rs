//! Which number an address has: sorted ranges of addresses, packed tightly.
//!
//! A range ends where the next one begins, so only beginnings are kept, and of
//! these only the bits that a directory of the upper bits does not tell. For
//! IPv4 the directory has an entry for each upper half of an address. For IPv6
//! it has one for each upper 32 bits that occur, and the ranges tell the next
//! 32 bits: networks are at most /64 nearly everywhere. The few /64 that are
//! divided further have a list of their own, of whole addresses.
//!
//! A database of IPv6 places all of IPv4 in several networks at once, such as
//! `2002::/16` (6to4, RFC 3056). These are ranges that refer to the IPv4 ones.

/// The number of what is not in the database.
pub(super) const UNKNOWN: u32 = 0;

/// Numbers are less than this; those from here on have a meaning of their own.
/// All fit into three bytes.
pub(super) const LIMIT: u32 = 0xFF_FF00;

/// A /64 that is divided further.
const DIVIDED: u32 = 0xFF_FFFF;

/// Of so many lines of memory one range each is looked at.
const MOST_LINES: usize = 16;

/// How many upper halves of IPv4 addresses there are.
const IPV4_BUCKETS: usize = 1 << 16;

/// The numbers of all addresses.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    ipv4: Ipv4,
    ipv6: Ipv6,
}

impl Ranges {
    /// The addresses from `start` on have this number. Starts rise.
    pub(super) fn push_ipv4(&mut self, start: u32, number: u32) {
        self.ipv4.push(start, number);
    }

    /// The addresses from `start` on have this number. Starts rise.
    pub(super) fn push_ipv6(&mut self, start: u128, number: u32) {
        self.ipv6.push(start, number);
    }

    /// The addresses from `start` on have the number of the IPv4 address in
    /// their bits from `prefix` on. Starts rise. `prefix` is 96 at most.
    pub(super) fn push_alias(&mut self, start: u128, prefix: u8) {
        self.ipv6
            .push(start, LIMIT + 96 - u32::from(prefix.min(96)));
    }

    /// Nothing is to be added any more.
    pub(super) fn finish(mut self) -> Self {
        self.ipv4.finish();
        self.ipv6.finish();
        self
    }

    pub(super) fn ipv4(&self, address: u32) -> u32 {
        self.ipv4.find(address)
    }

    pub(super) fn ipv6(&self, address: u128) -> u32 {
        match self.ipv6.find(address) {
            number @ 0..LIMIT => number,
            alias => self.ipv4.find(lowest_32(address >> (alias - LIMIT))),
        }
    }

    /// The memory that the ranges take, in bytes.
    pub(super) fn size(&self) -> usize {
        size(&self.ipv4.buckets)
            + size(&self.ipv4.ranges.ranges)
            + size(&self.ipv6.uppers)
            + size(&self.ipv6.buckets)
            + size(&self.ipv6.ranges.ranges)
            + size(&self.ipv6.divided)
    }
}

#[derive(Debug, Default)]
struct Ipv4 {
    /// By upper half: the first range in it. One more, the end of the last.
    buckets: Vec<u32>,
    ranges: Sorted<5>,
}

impl Ipv4 {
    fn push(&mut self, start: u32, number: u32) {
        if self.ranges.last() == Some(number) {
            return;
        }
        let upper = (start >> 16) as usize;
        self.buckets
            .resize(self.buckets.len().max(upper + 1), self.ranges.len());
        self.ranges.push(start & 0xFFFF, number);
    }

    fn finish(&mut self) {
        self.buckets.resize(IPV4_BUCKETS + 1, self.ranges.len());
        self.ranges.ranges.shrink_to_fit();
    }

    fn find(&self, address: u32) -> u32 {
        let upper = (address >> 16) as usize;
        match self.buckets.get(upper..upper + 2) {
            Some(&[from, to]) => self.ranges.find(from, to, address & 0xFFFF),
            _ => UNKNOWN,
        }
    }
}

#[derive(Debug, Default)]
struct Ipv6 {
    /// The upper 32 bits that occur.
    uppers: Vec<u32>,
    /// By these: the first range. One more, the end of the last.
    buckets: Vec<u32>,
    ranges: Sorted<7>,
    /// What is in the /64 that are divided.
    divided: Vec<(u128, u32)>,
}

impl Ipv6 {
    fn push(&mut self, start: u128, number: u32) {
        let in_force = match self.ranges.last() {
            Some(DIVIDED) => self.divided.last().map(|(_, number)| *number),
            number => number,
        };
        let begin = start >> 64 << 64;
        if begin == start {
            self.push_64(start, number);
            return;
        }
        let is_divided = self.divided.last().is_some_and(|(last, _)| *last >= begin);
        if !is_divided {
            self.divided.push((begin, in_force.unwrap_or(UNKNOWN)));
            self.push_64(begin, DIVIDED);
        }
        if in_force != Some(number) {
            self.divided.push((start, number));
        }
    }

    /// `start` is where a /64 begins: the last one that did, or a later one.
    fn push_64(&mut self, start: u128, number: u32) {
        let (upper, lower) = (lowest_32(start >> 96), lowest_32(start >> 64));
        let same_upper = self.uppers.last() == Some(&upper);
        if same_upper && self.ranges.last_start() == Some(lower) {
            self.ranges.ranges.pop();
        } else if self.ranges.last() == Some(number) {
            return;
        } else if !same_upper {
            self.uppers.push(upper);
            self.buckets.push(self.ranges.len());
        }
        self.ranges.push(lower, number);
    }

    fn finish(&mut self) {
        self.buckets.push(self.ranges.len());
        self.ranges.ranges.shrink_to_fit();
        self.uppers.shrink_to_fit();
        self.buckets.shrink_to_fit();
        self.divided.shrink_to_fit();
    }

    fn find(&self, address: u128) -> u32 {
        let (upper, lower) = (lowest_32(address >> 96), lowest_32(address >> 64));
        let index = self.uppers.partition_point(|known| *known < upper);
        // Where the upper bits do not occur, the range before them goes on.
        let known = self.uppers.get(index) == Some(&upper);
        let bucket = |index| self.buckets.get(index).copied().unwrap_or_default();
        let (from, to) = (bucket(index), bucket(index + usize::from(known)));
        match self.ranges.find(from, to, lower) {
            DIVIDED => {
                let after = self.divided.partition_point(|(start, _)| *start <= address);
                let range = after.checked_sub(1).and_then(|last| self.divided.get(last));
                range.map_or(UNKNOWN, |(_, number)| *number)
            }
            number => number,
        }
    }
}

/// Ranges in the order of their starts: of each the lower bits of its start,
/// and in the last three bytes its number. What is needed together lies
/// together, because nearly all the time of a look-up is waiting for memory.
#[derive(Debug, Default)]
struct Sorted<const BYTES: usize> {
    ranges: Vec<[u8; BYTES]>,
}

impl<const BYTES: usize> Sorted<BYTES> {
    const START: usize = BYTES - 3;
    /// How many fit into what the processor gets from memory at once.
    const IN_A_LINE: usize = 64 / BYTES;

    fn push(&mut self, start: u32, number: u32) {
        let mut range = [0; BYTES];
        let (start_bytes, number_bytes) = range.split_at_mut(Self::START);
        for (to, from) in start_bytes.iter_mut().rev().zip(start.to_le_bytes()) {
            *to = from;
        }
        for (to, from) in number_bytes.iter_mut().rev().zip(number.to_le_bytes()) {
            *to = from;
        }
        self.ranges.push(range);
    }

    /// How many there are: no more than nodes in a tree, which are below 2³².
    fn len(&self) -> u32 {
        u32::try_from(self.ranges.len()).unwrap_or(u32::MAX)
    }

    fn last(&self) -> Option<u32> {
        self.ranges.last().map(Self::number)
    }

    fn last_start(&self) -> Option<u32> {
        self.ranges.last().map(Self::start)
    }

    /// The number of the last range that begins at `lower` or before: within
    /// the ranges of a bucket, or else the one before these.
    fn find(&self, from: u32, to: u32, lower: u32) -> u32 {
        let (mut from, mut to) = (from as usize, to as usize);
        // Most buckets have some dozens, in a few lines of memory. Looking at
        // the first of each line, whatever the others say, has them come all at
        // once; a binary search would wait for one after the other.
        while to - from > MOST_LINES * Self::IN_A_LINE {
            let middle = from.midpoint(to);
            if self.starts_by(middle, lower) {
                from = middle;
            } else {
                to = middle;
            }
        }
        let first_of_lines = (from..to).step_by(Self::IN_A_LINE);
        let lines = first_of_lines.filter(|first| self.starts_by(*first, lower));
        let line = from + lines.count().saturating_sub(1) * Self::IN_A_LINE;
        let line = line..to.min(line + Self::IN_A_LINE);
        let after = line.start + line.filter(|range| self.starts_by(*range, lower)).count();
        let range = after.checked_sub(1).and_then(|last| self.ranges.get(last));
        range.map_or(UNKNOWN, Self::number)
    }

    /// Whether a range begins at `lower` or before.
    fn starts_by(&self, range: usize, lower: u32) -> bool {
        let range = self.ranges.get(range);
        range.is_some_and(|range| Self::start(range) <= lower)
    }

    fn start(range: &[u8; BYTES]) -> u32 {
        joined(range.iter().take(Self::START))
    }

    fn number(range: &[u8; BYTES]) -> u32 {
        joined(range.iter().skip(Self::START))
    }
}

fn joined<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    bytes.fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn size<T>(vec: &Vec<T>) -> usize {
    vec.capacity() * size_of::<T>()
}

#[allow(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn lowest_32(bits: u128) -> u32 {
    bits as u32
}
