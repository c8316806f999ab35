//! Files of anyone: what is read, and what is told of those that cannot be.

use std::fs;
use std::path::Path;

use equiav_cca::read_rows;
use tch::{Kind, Tensor};

use crate::numbers;

/// What numpy writes of 2-D rows.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).expect("a short header").to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("written");
    path.to_str().expect("text").to_owned()
}

#[test]
fn arrays_of_every_width_and_order_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let values = [0.5, -1.25, 3.0, 4.0, 5.0, 6.5];
    let floats: Vec<u8> = values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
    // 16-bit floats by their bits.
    let halves = [0x3800u16, 0xbd00, 0x4200, 0x4400, 0x4500, 0x4680];
    let halves: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
    for (descr, data) in [("<f8", doubles(&values)), ("<f4", floats), ("<f2", halves)] {
        let name = written(folder.path(), "a.npy", &npy(descr, false, "(2, 3)", &data));
        let rows = read_rows(&name).expect("rows");
        assert_eq!((rows.size(), rows.kind()), (vec![2, 3], Kind::Double));
        assert_eq!(numbers(&rows), values, "{descr}");
        let name = written(folder.path(), "a.npy", &npy(descr, true, "(2, 3)", &data));
        let rows = read_rows(&name).expect("rows");
        assert_eq!(rows.size(), [2, 3]);
        assert_eq!(numbers(&rows), [0.5, 3.0, 5.0, -1.25, 4.0, 6.5], "{descr} in Fortran order");
    }
}

#[test]
fn tensors_are_read_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = folder.path().join("one.safetensors");
    let rows = Tensor::from_slice(&[1.0f32, 2.0]).view([2, 1]);
    for kind in [Kind::Half, Kind::BFloat16, Kind::Float, Kind::Double] {
        Tensor::write_safetensors(&[("x", rows.to_kind(kind))], &one).expect("written");
        let name = one.to_str().expect("text");
        assert_eq!(numbers(&read_rows(name).expect("rows")), [1.0, 2.0], "{kind:?}");
        assert_eq!(numbers(&read_rows(&format!("{name}:x")).expect("rows")), [1.0, 2.0]);
    }
    let both = folder.path().join("both.safetensors");
    let tensors = [("visual", &rows), ("audio", &(&rows * 2.0))];
    Tensor::write_safetensors(&tensors, &both).expect("written");
    let name = both.to_str().expect("text");
    assert_eq!(numbers(&read_rows(&format!("{name}:audio")).expect("rows")), [2.0, 4.0]);
    let fails = |name: &str| format!("{:#}", read_rows(name).expect_err("refused"));
    let message = fails(name);
    assert!(message.ends_with(
        "both.safetensors: holds 2 tensors; help: name one after a colon: audio, visual"
    ));
    assert!(fails(&format!("{name}:text")).contains("no tensor `text`; help: there are: audio"));
    Tensor::write_safetensors(&[("x", rows.to_kind(Kind::Int64))], &one).expect("written");
    assert!(fails(one.to_str().expect("text")).contains("`x` holds I64: expected F16"));
}

#[test]
fn files_that_cannot_be_used_are_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let four = doubles(&[1.0, 2.0, 3.0, 4.0]);
    let whole = npy("<f8", false, "(2, 2)", &four);
    let huge = "(4611686018427387904, 8)";
    let wrong = doubles(&[1.0, 2.0, f64::NAN, f64::INFINITY]);
    let header =
        |text: &str| [b"\x93NUMPY\x01\x00", &[text.len() as u8, 0][..], text.as_bytes()].concat();
    let cases: [(&[u8], &str); 21] = [
        (b"", "is empty; help"),
        (b"PK\x03\x04rest", "is a zip archive, such as .npz or .pt; help"),
        (b"row,column\n", "is neither a sound .npy nor a sound .safetensors file; help"),
        (&whole[..7], "ends within its header; help"),
        (&whole[..40], "ends within its header; help"),
        (&whole[..whole.len() - 1], "has 31 bytes of numbers, not those of shape [2, 2]; help"),
        (&[&whole[..], b"more"].concat(), "has 36 bytes of numbers"),
        (b"\x93NUMPY\x09\x00rest of it", "is of .npy version 9; help"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "has a header of 2147483647 bytes; help"),
        (&npy("<f8", false, huge, &four), "has 32 bytes of numbers"),
        (&npy("<f8", false, "(4,)", &four), "has one dimension: expected rows and columns; help"),
        (&npy("<f8", false, "(1, 2, 2)", &four), "has shape [1, 2, 2]: expected rows"),
        (&npy("<f8", false, "()", &four[..8]), "has shape []: expected rows"),
        (&npy("<f8", false, "(0, 5)", b""), "has 0 rows of 5 columns; help"),
        (&npy(">f4", false, "(2, 2)", &four), "save x.astype('<f4') instead"),
        (&npy("<f8", false, "(-1, 2)", &four), "has a header whose shape is no tuple"),
        (&header("{'descr': [('x', '<f4')], 'shape': (1,)}"), "holds a structured array; help"),
        (&header("{'descr': '<f4', 'fortran_order': Maybe}"), "is neither True nor False"),
        (&header("{'descr': '<f4', 'fortran_order': False}"), "has a header without 'shape'"),
        (&npy("<i8", false, "(2, 2)", &four), "holds `<i8`: expected <f2, <f4 or <f8; help"),
        (
            &npy("<f8", false, "(2, 2)", &wrong),
            "row 1, column 0 is NaN and 1 entries more are not finite; help",
        ),
    ];
    for (bytes, says) in cases {
        let name = written(folder.path(), "bad.npy", bytes);
        let message = format!("{:#}", read_rows(&name).expect_err(says));
        assert!(message.starts_with(&name) && !message.contains('\n'), "{message}");
        assert!(message.contains(says), "{message}");
    }
    let message = format!("{:#}", read_rows("nowhere.npy").expect_err("missing"));
    assert!(message.contains("nowhere.npy: No such file"), "{message}");
}
