//! The null receiver, in a process of its own, and the handle to it.

use crate::{Outcome, process};
use libdeflater::Decompressor;
use shipper::demo::receiver::{Counts, Mode, Options, Receiver};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Is the process: tells its address, then its counts for each line that comes in, until there are
/// no more.
pub(crate) fn serve() -> Outcome<()> {
    let receiver =
        Receiver::start(Options { inflate: Some(inflate), ..Options::new(0, Mode::Count) })?;
    println!("{}", receiver.address());
    for line in std::io::stdin().lines() {
        line?;
        let counts = receiver.counts();
        println!(
            "{} {} {} {} {} {}",
            counts.requests,
            counts.documents,
            counts.wire_bytes,
            counts.plain_bytes,
            counts.first_arrival_ns,
            counts.last_arrival_ns
        );
    }
    Ok(())
}

/// Inflates with libdeflate: the sink must never be the limit.
fn inflate(packed: &[u8], plain: &mut Vec<u8>) -> bool {
    // A gzip ends with the length of what is in it.
    let Some(length) = packed.last_chunk::<4>() else { return false };
    plain.resize(u32::from_le_bytes(*length) as usize, 0);
    let inflated = Decompressor::new().gzip_decompress(packed, plain);
    inflated.is_ok_and(|bytes| bytes == plain.len())
}

/// A running receiver.
pub(crate) struct Sink {
    child: Child,
    asking: Option<ChildStdin>,
    telling: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Sink {
    pub(crate) fn start() -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("sink").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let asking = child.stdin.take();
        let telling = child.stdout.take().ok_or("the sink has no output")?;
        let mut sink =
            Self { child, asking, telling: BufReader::new(telling), address: String::new() };
        sink.address = sink.line()?;
        Ok(sink)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.telling.read_line(&mut line)? == 0 {
            return Err("the sink has ended".into());
        }
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn counts(&mut self) -> Outcome<Counts> {
        self.asking.as_mut().ok_or("the sink has no input")?.write_all(b"\n")?;
        let line = self.line()?;
        let numbers = line.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [requests, documents, wire_bytes, plain_bytes, first_arrival_ns, last_arrival_ns] =
            numbers.try_into().map_err(|_| "the sink tells six numbers")?;
        Ok(Counts {
            requests,
            documents,
            wire_bytes,
            plain_bytes,
            first_arrival_ns,
            last_arrival_ns,
            ..Counts::default()
        })
    }

    pub(crate) fn cpu_seconds(&self) -> Outcome<f64> {
        process::cpu_seconds(self.child.id())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Its input ends, and so does it.
        drop(self.asking.take());
        drop(self.child.wait());
    }
}
