//! What became of the bytes that a pipeline was given.

/// Why a chunk was not taken further.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stop {
    /// All of it was taken.
    #[default]
    End,
    /// The next event found no room.
    Full,
    /// The next line is too long for the ordinary way.
    Large,
    /// A hole of NULs.
    Hole,
    /// The next event may go on behind the chunk.
    Open,
}

/// What became of a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consumed {
    /// Bytes of whole events that are in the batch, or need not be.
    pub bytes: usize,
    /// Why it ended there.
    pub stop: Stop,
    /// Events written.
    pub events: u64,
    /// Events among them whose line was not recognised although a format is set.
    pub unparsed: u64,
    /// Events among them of whose line fields hold only a part.
    pub partial: u64,
    /// Empty lines, those that are no events, and what the filters of the input say is not sent.
    pub filtered: u64,
    /// Their bytes.
    pub filtered_bytes: u64,
    /// Bytes of events that were left out because they were too many.
    pub skipped_bytes: u64,
    /// Requests by status class; `[0]` counts those without.
    pub status: [u64; 6],
    /// Response bytes of the requests.
    pub response_bytes: u64,
}
