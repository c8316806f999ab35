//! Retrieval at scale, one thing a process: `retrieval make|ranks|top|product FOLDER SIZE WIDTH`.
//!
//! `make` writes SIZE rows and as many columns of WIDTH to FOLDER: seeded unit vectors, each column leaning to its
//! row as far as to be found about every second time. The others read them and print a JSON object: `ranks` both
//! ways, the best ten of each row (`top`, which writes their positions to FOLDER), or nothing but the matrix product
//! with the same tiles.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs, thread};

use equiav_eval::{Blocks, Product, Relevance, Retrieval, UnitRows};
use equiav_train::eval::ranking::{self, OneProduct, Products};
use ndarray::Array2;

/// How many candidates of each row are kept.
const K: usize = 10;

/// How far a column leans to its row; noise has a deviation of 1 / √WIDTH.
const LEANING: f32 = 4.2;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [what, folder, size, width] = &arguments[..] else {
        anyhow::bail!("expected make|ranks|top|product FOLDER SIZE WIDTH")
    };
    let (folder, size, width) = (PathBuf::from(folder), size.parse()?, width.parse()?);
    if what == "make" {
        return make(&folder, size, width);
    }
    let unit = |name| {
        let vectors = read(&folder, name, size, width)?;
        anyhow::Ok(UnitRows::new("vectors", vectors.view())?)
    };
    let (rows, columns) = (unit("rows")?, unit("columns")?);
    let started = Instant::now();
    let figures = match what.as_str() {
        "ranks" => ranks(&rows, &columns)?,
        "top" => top(&rows, &columns, &folder)?,
        "product" => product(&rows, &columns)?,
        other => anyhow::bail!("there is nothing called {other} to measure"),
    };
    let (seconds, figures) = (figures.0.duration_since(started), figures.1);
    println!(
        "{{\"seconds\": {}, \"threads\": {}, \"peak_bytes\": {}{figures}}}",
        seconds.as_secs_f64(),
        equiav_torch::threads(),
        equiav_torch::peak_resident().unwrap_or(0)
    );
    Ok(())
}

/// When it was done, and what to print of it.
type Done = (Instant, String);

fn ranks(rows: &UnitRows, columns: &UnitRows) -> anyhow::Result<Done> {
    let ranks = ranking::ranks(rows, columns, &Relevance::same(rows.len()))?;
    let forth = Retrieval::of_ranks(&ranks.rows_to_columns, columns.len());
    let back = Retrieval::of_ranks(&ranks.columns_to_rows, rows.len());
    let done = Instant::now();
    let list = |found: &Retrieval| format!("[{}, {}, {}]", found.r1, found.r5, found.r10);
    Ok((done, format!(", \"recall\": {}, \"recall_back\": {}", list(&forth), list(&back))))
}

fn top(rows: &UnitRows, columns: &UnitRows, folder: &Path) -> anyhow::Result<Done> {
    let nearest = ranking::top_k(rows, columns, K)?;
    let done = Instant::now();
    let bytes = nearest.indices.iter().flat_map(|index| (*index as i64).to_le_bytes());
    fs::write(folder.join("top.i64"), bytes.collect::<Vec<u8>>())?;
    Ok((done, String::new()))
}

/// The same tiles by the same threads, each with rows of its own.
fn product(rows: &UnitRows, columns: &UnitRows) -> anyhow::Result<Done> {
    let (blocks, mut products) = (Blocks::default(), Products::new()?);
    let bands: Vec<_> = (0..rows.len()).step_by(blocks.rows.get()).collect();
    let each = products.each();
    let share = bands.len().div_ceil(each.len());
    let multiply = |product: &mut OneProduct, bands: &[usize]| -> anyhow::Result<f32> {
        let mut sum = 0.0;
        for left in bands {
            let a = rows.block(*left..(left + blocks.rows.get()).min(rows.len()));
            for right in (0..columns.len()).step_by(blocks.columns.get()) {
                let b = columns.block(right..(right + blocks.columns.get()).min(columns.len()));
                sum += product.multiply(a, b, rows.width())?[0];
            }
        }
        Ok(sum)
    };
    let sums: Vec<anyhow::Result<f32>> = thread::scope(|scope| {
        let shares = each.iter_mut().zip(bands.chunks(share));
        let started: Vec<_> =
            shares.map(|(product, bands)| scope.spawn(move || multiply(product, bands))).collect();
        started.into_iter().map(|one| one.join().expect("products do not panic")).collect()
    });
    let sum: f32 = sums.into_iter().sum::<anyhow::Result<f32>>()?;
    Ok((Instant::now(), format!(", \"sum\": {sum}")))
}

fn make(folder: &Path, size: usize, width: usize) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let rows = UnitRows::new("rows", noise(size, width, 1).view())?;
    write(folder, "rows", &rows)?;
    let mut leaning = noise(size, width, 2);
    let lengths = leaning.rows().into_iter().map(|row| row.dot(&row).sqrt()).collect::<Vec<_>>();
    for (row, (mut values, length)) in leaning.rows_mut().into_iter().zip(lengths).enumerate() {
        let lean = LEANING * length / (width as f32).sqrt();
        values.iter_mut().zip(rows.row(row)).for_each(|(value, to)| *value += lean * to);
    }
    write(folder, "columns", &UnitRows::new("columns", leaning.view())?)
}

/// Numbers in [-1, 1) without a pattern.
fn noise(rows: usize, width: usize, seed: u64) -> Array2<f32> {
    Array2::from_shape_fn((rows, width), |(row, column)| {
        let mixed =
            ((seed << 40) + (row * width + column) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) >> 40) as f32 / 8_388_608.0 - 1.0
    })
}

fn write(folder: &Path, name: &str, vectors: &UnitRows) -> anyhow::Result<()> {
    let values = vectors.block(0..vectors.len()).iter().flat_map(|value| value.to_le_bytes());
    Ok(fs::write(folder.join(name).with_extension("f32"), values.collect::<Vec<u8>>())?)
}

fn read(folder: &Path, name: &str, size: usize, width: usize) -> anyhow::Result<Array2<f32>> {
    let bytes = fs::read(folder.join(name).with_extension("f32"))?;
    let (numbers, _) = bytes.as_chunks::<4>();
    let values = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok(Array2::from_shape_vec((size, width), values)?)
}
