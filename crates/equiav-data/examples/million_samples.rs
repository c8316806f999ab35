//! How long an index of a million samples takes to open, and what it takes in memory.
//!
//! `cargo run --release -p equiav-data --example million_samples [SAMPLES]` writes indices of shards
//! of 1000 samples with twelve members each into a temporary folder (the tar files are holes of the
//! right length), opens them as a run would, and prints seconds and resident memory.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use equiav_data::shard::{ShardSource, Shards, shard_name};

/// Samples in a shard.
const PER_SHARD: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let samples = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse::<usize>())?;
    let folder = tempfile::tempdir()?;
    let shards = samples.div_ceil(PER_SHARD);
    for number in 0..shards {
        write_shard(folder.path(), number)?;
    }
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or("a path that is no Unicode");
    let before = resident("VmRSS")?;
    let started = Instant::now();
    let opened = Shards::open(&[ShardSource::from(text(folder.path())?.as_str())])?;
    let seconds = started.elapsed().as_secs_f64();
    let after = resident("VmRSS")?;
    let (_, contents, last) = opened.find(opened.len() - 1);
    assert_eq!(contents.members(last).count(), 12, "every member is there");
    println!("{} samples in {shards} shards opened in {seconds:.2} s", opened.len());
    println!("resident: {before} MB before, {after} MB after, {} MB at most", resident("VmHWM")?);
    Ok(())
}

/// Writes the index of shard `number` and a hole as long as its tar file would be.
fn write_shard(folder: &Path, number: usize) -> Result<(), Box<dyn Error>> {
    let name = shard_name(number);
    let mut lines = Vec::new();
    let mut offset = 0;
    for sample in 0..PER_SHARD {
        write!(lines, "{{\"key\":\"video-{number:06}-{sample:06}_10000\",")?;
        write!(lines, "\"labels\":[\"/m/0{:03}\",\"/m/09x0r\"],\"members\":[", sample % 527)?;
        for member in 0..12 {
            let (suffix, length) = match member {
                frame @ 0..10 => (format!("{frame}.jpg"), 20_000 + sample * 7 + frame),
                10 => ("flac".to_owned(), 200_000 + sample * 31),
                _ => ("json".to_owned(), 90),
            };
            let comma = if member == 0 { "" } else { "," };
            write!(lines, "{comma}[\"{suffix}\",{},{length}]", offset + 512)?;
            offset += 512 + length.next_multiple_of(512);
        }
        lines.extend_from_slice(b"]}\n");
    }
    let bytes = offset as u64 + 1024;
    File::create(folder.join(format!("{name}.tar")))?.set_len(bytes)?;
    let mut index = BufWriter::new(File::create(folder.join(format!("{name}.jsonl")))?);
    writeln!(index, "{{\"shard_index\":1,\"bytes\":{bytes},\"samples\":{PER_SHARD}}}")?;
    index.write_all(&lines)?;
    Ok(index.flush()?)
}

/// A memory figure of this process, in MB.
fn resident(key: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()).ok_or("no such figure")?;
    Ok(number.parse::<u64>()? * 1024 / 1_000_000)
}
