//! Counts the instructions that the hot path executes for a line: a figure without noise.
//!
//! `cargo bench --bench instructions` runs each function under valgrind's callgrind, one call and
//! five calls, and takes the difference, so that start and set-up do not count.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that measures")]

mod kernels;

use std::error::Error;
use std::io;
use std::process::{Command, ExitCode};

const FEW: u64 = 1;
const MANY: u64 = 5;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["call", name, calls] => call(name, calls),
        _ if !words.iter().any(|word| word == "--bench") => {
            println!("this measures; run it with: cargo bench --bench instructions");
            Ok(())
        }
        _ => count_all(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn call(name: &str, calls: &str) -> Result<(), Box<dyn Error>> {
    let mut kernels = kernels::kernels();
    let kernel = kernels.iter_mut().find(|kernel| kernel.name == name).ok_or("no such kernel")?;
    for _ in 0..calls.parse::<u64>()? {
        (kernel.call)();
    }
    Ok(())
}

fn count_all() -> Result<(), Box<dyn Error>> {
    println!("| function | instructions a line | instructions a byte |\n|---|---|---|");
    let mut a_line = std::collections::HashMap::new();
    for kernel in kernels::kernels() {
        let more = instructions(kernel.name, MANY)?.saturating_sub(instructions(kernel.name, FEW)?);
        let a_call = more / (MANY - FEW);
        let (lines, bytes) = (u64::from(kernel.lines), kernel.bytes as u64);
        let hundredths = a_call * 100 / bytes;
        a_line.insert(kernel.name, a_call / lines);
        println!(
            "| {} | {} | {}.{:02} |",
            kernel.name,
            a_call / lines,
            hundredths / 100,
            hundredths % 100
        );
    }
    let of = |name: &str| a_line.get(name).copied().unwrap_or(0);
    let (known, compiled) = (of(kernels::PARSED), of(kernels::COMPILED));
    println!(
        "A compiled format has {} % of the speed of a known one.",
        known * 100 / compiled.max(1)
    );
    Ok(())
}

/// Runs this program under callgrind and returns the instructions that it says it collected.
fn instructions(name: &str, calls: u64) -> Result<u64, Box<dyn Error>> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["call", name, &calls.to_string()])
        .output();
    let output = match run {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("valgrind is not installed (Debian: apt-get install valgrind)".into());
        }
        run => run?,
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split("Collected :").nth(1));
    let collected = collected.ok_or_else(|| format!("callgrind said: {text}"))?;
    Ok(collected.trim().parse()?)
}
