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
            if node.is_multiple_of(1 << 16) && stopped() {
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
        let number = |bytes: [u8; 4]| u32::from_be_bytes(bytes) as usize;
        Some(match *self.bytes.get(at..at.checked_add(size)?)? {
            [a, b, c, d, e, f] => [number([0, a, b, c]), number([0, d, e, f])],
            // The middle byte has the upper four bits of both.
            [a, b, c, m, d, e, f] => [number([m >> 4, a, b, c]), number([m & 15, d, e, f])],
            [a, b, c, d, e, f, g, h] => [number([a, b, c, d]), number([e, f, g, h])],
            _ => return None,
        })
    }
}
