//! Databases that are made byte by byte, for tests of what no writer makes.

use std::io::Write as _;

use tempfile::NamedTempFile;

/// A record of a node.
#[derive(Clone, Copy)]
pub(super) enum To {
    Node(usize),
    Nothing,
    /// This offset in the data.
    Byte(usize),
    /// Germany, Austria, or something outside the file.
    Data(usize),
}

/// The parts of a database, of the specification's minimal form.
pub(super) struct Parts {
    pub(super) nodes: Vec<[To; 2]>,
    pub(super) data: Vec<u8>,
    /// The values of the metadata, encoded.
    pub(super) metadata: Vec<(&'static str, Vec<u8>)>,
}

impl Parts {
    /// With the data of Germany and Austria, and nodes of 24 bits.
    pub(super) fn new(nodes: &[[To; 2]], ip_version: u8) -> Self {
        let mut data = Vec::new();
        for country in [b"\x42DE", b"\x42AT"] {
            data.extend_from_slice(b"\xE1\x4Ccountry_code");
            data.extend_from_slice(country);
        }
        let mut count = vec![0xC4];
        count.extend_from_slice(&u32::try_from(nodes.len()).unwrap().to_be_bytes());
        let metadata = [
            ("binary_format_major_version", b"\xA1\x02".as_slice()),
            ("binary_format_minor_version", b"\xA0"),
            ("build_epoch", b"\x01\x02\x01"),
            ("database_type", b"\x44Test"),
            ("description", b"\xE0"),
            ("ip_version", &[0xA1, ip_version]),
            ("languages", b"\x00\x04"),
            ("record_size", b"\xA1\x18"),
            ("node_count", &count),
        ];
        Self {
            nodes: nodes.into(),
            data,
            metadata: metadata.map(|(key, value)| (key, value.into())).into(),
        }
    }

    /// With another value in the metadata.
    pub(super) fn with(mut self, key: &str, value: &[u8]) -> Self {
        let mut all = self.metadata.iter_mut();
        all.find(|(known, _)| *known == key).unwrap().1 = value.into();
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len();
        let mut bytes = Vec::new();
        for to in self.nodes.as_flattened() {
            let number = match *to {
                To::Node(node) => node,
                To::Nothing => count,
                To::Byte(offset) => count + 16 + offset,
                // Each is 17 bytes long.
                To::Data(index) => count + 16 + 17 * index,
            };
            bytes.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes()[1..]);
        }
        bytes.extend_from_slice(&[0; 16]);
        bytes.extend_from_slice(&self.data);
        bytes.extend_from_slice(b"\xAB\xCD\xEFMaxMind.com");
        bytes.push(0xE0 | u8::try_from(self.metadata.len()).unwrap());
        for (key, value) in &self.metadata {
            bytes.push(0x40 | u8::try_from(key.len()).unwrap());
            bytes.extend_from_slice(key.as_bytes());
            bytes.extend_from_slice(value);
        }
        bytes
    }
}

pub(super) fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}
