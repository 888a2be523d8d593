//! Whether the search tree of a database is a tree.
//!
//! The crate's iterator goes wherever a node leads. In a file that somebody has
//! made for it, all nodes may lead to both sides of the next: these are a few
//! bytes, and more networks than anybody can count. So before a walk, each node
//! must have one parent. Only the root of IPv4 may have more: the iterator
//! passes over it where it is reached again.

/// The nodes, as MaxMind's specification 2.0 has them: two records of
/// `record_size` bits each.
pub(super) struct Tree<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) node_count: usize,
    pub(super) record_size: u16,
    pub(super) has_ipv6: bool,
}

impl Tree<'_> {
    /// Whether each node has one parent at most. `None` when it was stopped.
    pub(super) fn is_tree(&self, stopped: impl Fn() -> bool) -> Option<bool> {
        let ipv4 = self.ipv4_root();
        let mut seen = vec![false; self.node_count];
        for node in 0..self.node_count {
            if node % (1 << 16) == 0 && stopped() {
                return None;
            }
            for child in self.children(node).unwrap_or_default() {
                match seen.get_mut(child) {
                    Some(_) if child == 0 => return Some(false),
                    Some(seen) if *seen && Some(child) != ipv4 => return Some(false),
                    Some(seen) => *seen = true,
                    // No node, but data, or nothing.
                    None => {}
                }
            }
        }
        Some(true)
    }

    /// Where the addresses of IPv4 begin in a tree of IPv6: after 96 zeros.
    fn ipv4_root(&self) -> Option<usize> {
        let mut node = 0;
        for _ in 0..96 * usize::from(self.has_ipv6) {
            node = self.children(node)?[0];
        }
        (node != 0).then_some(node)
    }

    /// What the two records of a node hold.
    fn children(&self, node: usize) -> Option<[usize; 2]> {
        if node >= self.node_count {
            return None;
        }
        let size = usize::from(self.record_size) / 4;
        let at = node.checked_mul(size)?;
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let both = bytes
            .iter()
            .fold(0_u64, |both, byte| both << 8 | u64::from(*byte));
        let mut left = both >> self.record_size;
        if self.record_size == 28 {
            // The upper four bits are in the middle of the node.
            left = left >> 4 | (left & 15) << 24;
        }
        let right = both & ((1 << self.record_size) - 1);
        Some([usize::try_from(left).ok()?, usize::try_from(right).ok()?])
    }
}
