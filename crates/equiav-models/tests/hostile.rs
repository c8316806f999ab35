//! Weight files made to harm: nothing runs, nothing swells, and the error says what is wrong.

#[path = "small/model.rs"]
mod small;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use equiav_models::read_weights;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What reading a file with these bytes says.
fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights.pth");
    std::fs::write(&path, bytes).expect("the file is written");
    match read_weights(&path) {
        Ok(weights) => Ok(weights.tensors().keys().cloned().collect()),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// A PyTorch archive of these entries.
fn archive(method: CompressionMethod, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        writer.start_file(format!("weights/{name}"), options).expect("an entry");
        writer.write_all(bytes).expect("its bytes");
    }
    writer.finish().expect("an archive").into_inner()
}

/// A string of a pickle.
fn text(value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len()).expect("a short string").to_le_bytes();
    [b"X", length.as_slice(), value.as_bytes()].concat()
}

/// A pickled float tensor of `numbers` elements, each the first of storage 0 if `stride` is 0.
fn tensor(numbers: u32, stride: u8, stored: u8) -> Vec<u8> {
    let start = b"ctorch._utils\n_rebuild_tensor_v2\n((";
    let storage = [text("storage"), b"ctorch\nFloatStorage\n".to_vec(), text("0"), text("cpu")];
    let (stored, shape) = ([b"K", [stored].as_slice()].concat(), numbers.to_le_bytes());
    let shape = [b"tQK\0J", shape.as_slice(), b"\x85K", &[stride], b"\x85"].concat();
    let end = b"\x89ccollections\nOrderedDict\n)RtR".to_vec();
    [start.to_vec(), storage.concat(), stored, shape, end].concat()
}

/// A pickled dictionary.
fn dictionary(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}".to_vec();
    for (name, value) in entries {
        pickle.extend([text(name), value.clone(), b"s".to_vec()].concat());
    }
    pickle.push(b'.');
    pickle
}

/// A pickled call of `os.system` that would make the file at `mark`.
fn call(mark: &Path) -> Vec<u8> {
    let command = format!("touch {}", mark.display());
    [b"cos\nsystem\n".to_vec(), text(&command), b"\x85R".to_vec()].concat()
}

#[test]
fn a_call_is_never_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mark = folder.path().join("mark");
    let lone = [b"\x80\x02".to_vec(), call(&mark), b".".to_vec()].concat();
    let mixed = dictionary(&[("weight", tensor(2, 1, 2)), ("hook", call(&mark))]);
    let without = dictionary(&[("hook", call(&mark))]);
    let storage = [1.0f32.to_le_bytes(), 2.0f32.to_le_bytes()].concat();
    let stored = |pickle: &[u8]| {
        archive(CompressionMethod::Stored, &[("data.pkl", pickle), ("data/0", &storage)])
    };

    let error = read(&lone).expect_err("a call is no dictionary");
    assert!(error.contains("no PyTorch file that can be read"), "{error}");
    let error = read(&stored(&lone)).expect_err("a call is no dictionary");
    assert!(error.contains("no PyTorch file that can be read"), "{error}");
    let error = read(&stored(&without)).expect_err("no tensors");
    assert!(error.contains("a pickle without tensors; nothing that it names was run"), "{error}");
    assert_eq!(read(&stored(&mixed)), Ok(vec!["weight".to_owned()]), "only the weights are read");
    assert!(!mark.exists(), "a command was run");
}

#[test]
fn a_bomb_is_refused_before_it_unfolds() {
    let zeros = vec![0; 64 << 20];
    let pickle = dictionary(&[("weight", tensor(1 << 24, 1, 255))]);
    let bombs = [
        archive(CompressionMethod::Deflated, &[("data.pkl", &pickle), ("data/0", &zeros)]),
        archive(CompressionMethod::Deflated, &[("data.pkl", &zeros)]),
    ];
    for bomb in bombs {
        assert!(bomb.len() < 1 << 20, "the file itself is small");
        let error = read(&bomb).expect_err("it unfolds to 64 MB");
        assert!(error.contains("refused as a decompression bomb"), "{error}");
    }
}

#[test]
fn a_view_that_repeats_one_number_is_refused() {
    let pickle = dictionary(&[("weight", tensor(1 << 30, 0, 1))]);
    let entries: [(&str, &[u8]); 2] = [("data.pkl", &pickle), ("data/0", &[0; 4])];
    let error = read(&archive(CompressionMethod::Stored, &entries)).expect_err("4 GB of it");
    assert!(error.contains("unfold to 4294967296 bytes"), "{error}");
}

#[test]
fn a_header_that_lies_is_an_error() {
    let header = |json: &str| {
        let length = (json.len() as u64).to_le_bytes();
        [length.as_slice(), json.as_bytes(), &[0; 8]].concat()
    };
    let sound = r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    assert_eq!(read(&header(sound)), Ok(vec!["x".to_owned()]));
    for (json, cause) in [
        (r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,80]}}"#, "beyond the end"),
        (r#"{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "another shape"),
        (
            r#"{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#,
            "overflow",
        ),
        (r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "backwards"),
        (r#"{"x":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#, "no such kind"),
        (r#"{"x":"#, "half an object"),
    ] {
        let error = read(&header(json)).expect_err(cause);
        assert!(error.contains("it is no sound safetensors file"), "{cause}: {error}");
    }
    let complex = r#"{"x":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}"#;
    let error = read(&header(complex)).expect_err("a kind that the reader lacks");
    assert!(error.ends_with("in tensor `x`: libtorch has no kind C64"), "{error}");
    let error = read(&header("{}")[..10]).expect_err("no tensors");
    assert!(error.ends_with("it holds no tensors"), "{error}");
}

#[test]
fn damaged_files_are_errors() {
    assert!(read(b"").expect_err("nothing").ends_with("the file is empty"));
    assert!(read(b"PK\x03").expect_err("too little").ends_with("the file is only 3 bytes"));
    assert!(read(b"no weights at all, only words").is_err());
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/checkpoints");
    for name in ["mae_like.pth", "legacy.pt", "expected.safetensors"] {
        let whole = std::fs::read(fixtures.join(name)).expect("a fixture");
        assert!(read(&whole).is_ok(), "{name}");
        for part in 1..20 {
            let cut = whole.len() * part / 20;
            assert!(read(&whole[..cut]).is_err(), "{name} cut to {cut} bytes");
        }
        // A changed byte may go unseen (it may be a weight's), but must not bring the reader down.
        for place in (0..whole.len()).step_by(whole.len() / 40) {
            let mut changed = whole.clone();
            changed[place] ^= 0xA5;
            if let Err(error) = read(&changed) {
                assert!(error.contains("reading weights"), "{name} at {place}: {error}");
            }
        }
    }
}

#[test]
fn an_absent_file_is_named() {
    let path = PathBuf::from("nowhere/weights.pth");
    let error = format!("{:#}", read_weights(&path).expect_err("there is none"));
    assert!(error.starts_with("reading weights nowhere/weights.pth: No such file"), "{error}");
}
