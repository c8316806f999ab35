//! TensorBoard event files: scalars and texts, written as protocol buffers in checked records.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use prost::Message;

use self::proto::{Event, SessionLog, Summary, Value, event};

/// What the name of every event file begins with.
const PREFIX: &str = "events.out.tfevents.";

/// One event file; nothing is held back between calls.
pub(crate) struct EventWriter {
    path: PathBuf,
    file: File,
}

impl EventWriter {
    /// Makes a new event file in `folder` for a run of which `step` updates are done.
    ///
    /// Earlier files stay as they are; the new one sorts after them and tells TensorBoard to forget
    /// what they hold beyond `step`, for those updates will be made again.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or the file cannot be made.
    pub(crate) fn create(folder: &Path, step: u64) -> anyhow::Result<Self> {
        let place = number_of_files(folder)
            .with_context(|| format!("reading the run folder {}", folder.display()))?;
        let seconds = now() as u64;
        let path = folder.join(format!("{PREFIX}{place:06}.{seconds}.equiav"));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("making {}", path.display()))?;
        let mut writer = Self { path, file };
        writer.write(0, event::What::FileVersion("brain.Event:2".to_owned()))?;
        // in the first file too: TensorBoard takes only a second start for a restart
        let start = SessionLog { status: SessionLog::START };
        writer.write(step + 1, event::What::SessionLog(start))?;
        Ok(writer)
    }

    /// Notes named numbers after `step` updates.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub(crate) fn scalars(&mut self, step: u64, scalars: &[(&str, f32)]) -> anyhow::Result<()> {
        let value = scalars.iter().map(|(tag, value)| Value::scalar(tag, *value)).collect();
        self.write(step, event::What::Summary(Summary { value }))
    }

    /// Notes a text, shown as Markdown, after `step` updates.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub(crate) fn text(&mut self, step: u64, tag: &str, text: &str) -> anyhow::Result<()> {
        let value = vec![Value::text(tag, text)];
        self.write(step, event::What::Summary(Summary { value }))
    }

    fn write(&mut self, step: u64, what: event::What) -> anyhow::Result<()> {
        let event = Event { wall_time: now(), step: step as i64, what: Some(what) };
        self.file
            .write_all(&record(&event.encode_to_vec()))
            .with_context(|| format!("writing {}", self.path.display()))
    }
}

/// How many event files `folder` holds.
fn number_of_files(folder: &Path) -> std::io::Result<usize> {
    let mut number = 0;
    for entry in fs::read_dir(folder)? {
        number += usize::from(entry?.file_name().to_string_lossy().starts_with(PREFIX));
    }
    Ok(number)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// `data` framed as TFRecord has it: length, its checksum, data, its checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let checksum = masked_checksum(data).to_le_bytes();
    [&length, &masked_checksum(&length).to_le_bytes()[..], data, &checksum].concat()
}

/// CRC-32C, rotated and shifted by a constant, as TFRecord stores it.
fn masked_checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

impl Value {
    fn scalar(tag: &str, value: f32) -> Self {
        Self { tag: tag.to_owned(), simple_value: Some(value), tensor: None, metadata: None }
    }

    fn text(tag: &str, text: &str) -> Self {
        let plugin = proto::PluginData { plugin_name: "text".to_owned() };
        let metadata = proto::Metadata { plugin_data: Some(plugin), data_class: 2 };
        let shape = proto::Shape { dim: vec![proto::Dimension { size: 1 }] };
        let string_val = vec![text.as_bytes().to_vec()];
        let tensor = proto::StringTensor { dtype: 7, tensor_shape: Some(shape), string_val };
        Self {
            tag: tag.to_owned(),
            simple_value: None,
            tensor: Some(tensor),
            metadata: Some(metadata),
        }
    }
}

/// The used parts of TensorFlow's `event.proto`, `summary.proto`, `tensor.proto`, by their numbers.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Event {
        #[prost(double, tag = "1")]
        pub(super) wall_time: f64,
        #[prost(int64, tag = "2")]
        pub(super) step: i64,
        #[prost(oneof = "event::What", tags = "3, 5, 7")]
        pub(super) what: Option<event::What>,
    }

    pub(super) mod event {
        #[derive(Clone, PartialEq, prost::Oneof)]
        pub(in super::super) enum What {
            #[prost(string, tag = "3")]
            FileVersion(String),
            #[prost(message, tag = "5")]
            Summary(super::Summary),
            #[prost(message, tag = "7")]
            SessionLog(super::SessionLog),
        }
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct SessionLog {
        #[prost(int32, tag = "1")]
        pub(super) status: i32,
    }

    impl SessionLog {
        /// A session starts: TensorBoard drops earlier events from its step on.
        pub(super) const START: i32 = 1;
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Summary {
        #[prost(message, repeated, tag = "1")]
        pub(super) value: Vec<Value>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Value {
        #[prost(string, tag = "1")]
        pub(super) tag: String,
        #[prost(float, optional, tag = "2")]
        pub(super) simple_value: Option<f32>,
        #[prost(message, optional, tag = "8")]
        pub(super) tensor: Option<StringTensor>,
        #[prost(message, optional, tag = "9")]
        pub(super) metadata: Option<Metadata>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Metadata {
        #[prost(message, optional, tag = "1")]
        pub(super) plugin_data: Option<PluginData>,
        #[prost(int32, tag = "4")]
        pub(super) data_class: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct PluginData {
        #[prost(string, tag = "1")]
        pub(super) plugin_name: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct StringTensor {
        #[prost(int32, tag = "1")]
        pub(super) dtype: i32,
        #[prost(message, optional, tag = "2")]
        pub(super) tensor_shape: Option<Shape>,
        #[prost(bytes = "vec", repeated, tag = "8")]
        pub(super) string_val: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Shape {
        #[prost(message, repeated, tag = "2")]
        pub(super) dim: Vec<Dimension>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Dimension {
        #[prost(int64, tag = "1")]
        pub(super) size: i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // tensorboard.summary.writer.record_writer, TensorBoard 2.21.0
    #[rustfmt::skip]
    const SCALAR: [u8; 48] = [
        32, 0, 0, 0, 0, 0, 0, 0, 41, 237, 169, 80, 9, 0, 0, 0, 0, 0, 0, 248,
        63, 16, 3, 42, 19, 10, 17, 10, 10, 116, 114, 97, 105, 110, 47, 108, 111, 115, 115, 21,
        0, 0, 128, 62, 67, 48, 27, 146,
    ];
    #[rustfmt::skip]
    const START: [u8; 31] = [
        15, 0, 0, 0, 0, 0, 0, 0, 109, 83, 43, 9, 9, 0, 0, 0, 0, 0, 0, 248,
        63, 16, 3, 58, 2, 8, 1, 236, 134, 18, 252,
    ];
    #[rustfmt::skip]
    const TEXT: [u8; 65] = [
        49, 0, 0, 0, 0, 0, 0, 0, 157, 131, 131, 233, 9, 0, 0, 0, 0, 0, 0, 248,
        63, 16, 3, 42, 36, 10, 34, 10, 6, 114, 101, 99, 105, 112, 101, 66, 12, 8, 7, 18,
        4, 18, 2, 8, 1, 66, 2, 104, 105, 74, 10, 10, 6, 10, 4, 116, 101, 120, 116, 32,
        2, 67, 29, 85, 128,
    ];
    #[rustfmt::skip]
    const VERSION: [u8; 40] = [
        24, 0, 0, 0, 0, 0, 0, 0, 163, 127, 75, 34, 9, 0, 0, 0, 0, 0, 0, 248,
        63, 26, 13, 98, 114, 97, 105, 110, 46, 69, 118, 101, 110, 116, 58, 50, 42, 40, 100, 108,
    ];

    /// The events of a file, every frame and checksum verified.
    fn read(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).expect("an event file");
        let (mut rest, mut events) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().expect("a length")) as usize;
            let frame = &rest[..8 + 4 + length + 4];
            let data = &frame[12..12 + length];
            assert_eq!(frame, record(data));
            events.push(Event::decode(data).expect("an event"));
            rest = &rest[frame.len()..];
        }
        events
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
        files.sort();
        files
    }

    #[test]
    fn records_equal_those_of_tensorboard() {
        let bytes =
            |step, what| record(&Event { wall_time: 1.5, step, what: Some(what) }.encode_to_vec());
        let summary = |value| event::What::Summary(Summary { value: vec![value] });
        let version = event::What::FileVersion("brain.Event:2".to_owned());
        let start = event::What::SessionLog(SessionLog { status: SessionLog::START });
        assert_eq!(bytes(0, version), VERSION);
        assert_eq!(bytes(3, start), START);
        assert_eq!(bytes(3, summary(Value::scalar("train/loss", 0.25))), SCALAR);
        assert_eq!(bytes(3, summary(Value::text("recipe", "hi"))), TEXT);
    }

    #[test]
    fn what_was_written_is_read_back_at_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut writer = EventWriter::create(folder.path(), 0).expect("a file");
        writer.scalars(1, &[("train/loss", 2.5), ("train/lr", 1e-4)]).expect("scalars");
        let events = read(&writer.path);
        assert_eq!(events.len(), 3);
        assert_eq!(events[0].what, Some(event::What::FileVersion("brain.Event:2".to_owned())));
        let value = vec![Value::scalar("train/loss", 2.5), Value::scalar("train/lr", 1e-4)];
        assert_eq!(events[2].what, Some(event::What::Summary(Summary { value })));
        assert_eq!(events[2].step, 1);
        assert!(events[2].wall_time > 1.6e9, "seconds since 1970");
    }

    #[test]
    fn a_resumed_run_begins_a_later_file_and_forgets_what_it_repeats() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for resumed in [0, 7, 9] {
            let mut writer = EventWriter::create(folder.path(), resumed).expect("a file");
            writer.scalars(resumed + 1, &[("train/loss", 1.0)]).expect("scalars");
        }
        let files = files(folder.path());
        let starts = |path: &PathBuf| -> Vec<i64> {
            let events = read(path);
            let starts = events.iter().filter(|event| {
                matches!(&event.what, Some(event::What::SessionLog(log)) if log.status == 1)
            });
            starts.map(|event| event.step).collect()
        };
        let starts: Vec<Vec<i64>> = files.iter().map(starts).collect();
        assert_eq!(starts, [vec![1], vec![8], vec![10]]);
    }
}
