//! Values of a few fields, rendered once and kept together.

use crate::event::{EventBuf, Field, Span};

/// JSON texts behind each other; an empty one is a field that is not there.
#[derive(Debug, Clone)]
pub(super) struct Parts<const N: usize> {
    text: Box<[u8]>,
    ends: [u16; N],
    count: usize,
}

impl<const N: usize> Default for Parts<N> {
    fn default() -> Self {
        Self { text: Box::default(), ends: [0; N], count: 0 }
    }
}

impl<const N: usize> Parts<N> {
    /// Adds the next; one with which all would be longer than 64 KiB is left out.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut text = std::mem::take(&mut self.text).into_vec();
        let before = text.len();
        write(&mut text);
        if usize::from(u16::MAX) < text.len() {
            text.truncate(before);
        }
        self.ends[self.count] = u16::try_from(text.len()).expect("it is no longer than that");
        self.count += 1;
        self.text = text.into_boxed_slice();
    }

    /// Tells whether there is nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Sets the fields that are there.
    #[inline]
    pub(super) fn set(&self, event: &mut EventBuf, fields: [Field; N]) {
        let base = event.scratch().len();
        event.scratch_mut().extend_from_slice(&self.text);
        let mut start = 0;
        for (field, end) in fields.into_iter().zip(self.ends) {
            let end = usize::from(end);
            if start < end {
                event.set(field, Span::scratch(base + start, base + end));
                start = end;
            }
        }
    }
}
