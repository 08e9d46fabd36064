//! Numbers and pieces out of the bytes of a fuzzer; when they are used up, zeros and nothing.

/// The rest of the bytes.
#[derive(Clone, Copy)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn number(&mut self) -> u64 {
        // Small numbers more often than large ones, and numbers near a power of two.
        let kind = self.byte();
        match kind >> 6 {
            0 => u64::from(kind),
            1 => u64::from(kind & 0x3f) << 8 | u64::from(self.byte()),
            2 => (1_u64 << (kind & 0x3f)).wrapping_add(u64::from(self.byte())).wrapping_sub(128),
            _ => (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte())),
        }
    }

    /// A number from 0 to `most`.
    pub fn upto(&mut self, most: u64) -> u64 {
        match most.checked_add(1) {
            Some(count) => self.number() % count,
            None => self.number(),
        }
    }

    pub fn bit(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn piece(&mut self, most: usize) -> &'a [u8] {
        let length = (self.upto(most as u64) as usize).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Content of at most `most` bytes: pieces, some of them repeated, so that little input reaches every border.
    pub fn content(&mut self, most: usize) -> Vec<u8> {
        let mut content = Vec::new();
        for _ in 0..self.byte() % 16 {
            let times = match self.byte() {
                0 => 1 + usize::from(self.byte()) * 1024,
                1 => 1 + usize::from(self.byte()),
                _ => 1,
            };
            let piece = self.piece(4096);
            if content.len() + piece.len() * times <= most {
                content.extend(std::iter::repeat_n(piece, times).flatten());
            }
        }
        content
    }
}
