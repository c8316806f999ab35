//! Where the things of a list's clips are, by clip: from the embedded corpus, or from annotation files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use equiav_corpora::{Rectangle, Synthetic};
use equiav_eval::localization::Truth;
use serde_json::Value;

/// Side of the pictures in whose pixels Flickr-SoundNet's boxes are given.
const FLICKR_SIDE: f64 = 256.0;
/// How many of Flickr-SoundNet's annotators make a pixel certain.
const FLICKR_AGREE: usize = 2;

/// The boxes of clips, as shares of the sides of their pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Truths {
    boxes: BTreeMap<String, Vec<Rectangle>>,
    /// How many boxes must meet for a pixel to be certain.
    agree: usize,
    /// Where they come from, in words.
    pub source: String,
}

impl Truths {
    /// The boxes of the embedded corpus that `list` belongs to, computed from its seed.
    ///
    /// # Errors
    ///
    /// If the list belongs to no such corpus, or to one of another version.
    pub fn of_corpus(list: &Path) -> anyhow::Result<Self> {
        let Some(corpus) = Synthetic::of_list(list)? else {
            let list = list.display();
            bail!("{list} belongs to no embedded corpus: give its boxes by --boxes FILE");
        };
        Ok(Self::of_synthetic(&corpus))
    }

    /// The boxes of every clip of `corpus`.
    pub fn of_synthetic(corpus: &Synthetic) -> Self {
        let boxes = corpus.boxes().into_iter().map(|(id, rectangle)| (id, vec![rectangle]));
        let source = "the box around the object, from the corpus' seed".to_owned();
        Self { boxes: boxes.collect(), agree: 1, source }
    }

    /// Reads annotations: a folder of Flickr-SoundNet's `ID.xml`, VGG-SS's JSON (a list of objects with
    /// `file` and `bbox`), or a JSON object that gives each clip's id a list of boxes (left, top, right,
    /// bottom as shares of the sides).
    ///
    /// # Errors
    ///
    /// If `path` is none of these, with the entry at fault.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let read = if path.is_dir() { flickr(path) } else { json(path) };
        read.with_context(|| format!("boxes {}", path.display()))
    }

    /// The truth of `clip` within `part` of its picture (left, top, right, bottom as shares), in `size` rows
    /// and columns; `None` where nothing is annotated there.
    pub fn of(&self, clip: &str, part: Rectangle, size: [usize; 2]) -> Option<Truth> {
        let boxes = self.boxes.get(clip)?;
        let within: Vec<Rectangle> = boxes.iter().filter_map(|one| inside(*one, part)).collect();
        if within.is_empty() {
            return None;
        }
        if self.agree == 1 {
            return Some(Truth::of_boxes(&within, size));
        }
        let each: Vec<Vec<Rectangle>> = within.into_iter().map(|one| vec![one]).collect();
        Some(Truth::consensus(&each, self.agree, size))
    }
}

/// `rectangle` as shares of `part`, if they meet.
fn inside(rectangle: Rectangle, part: Rectangle) -> Option<Rectangle> {
    let place = |axis: usize, value: f64| {
        ((value - part[axis]) / (part[axis + 2] - part[axis])).clamp(0.0, 1.0)
    };
    let [left, top, right, bottom] = rectangle;
    let moved = [place(0, left), place(1, top), place(0, right), place(1, bottom)];
    (moved[0] < moved[2] && moved[1] < moved[3]).then_some(moved)
}

fn json(path: &Path) -> anyhow::Result<Truths> {
    let value: Value = serde_json::from_slice(&fs::read(path)?).context("no JSON")?;
    let mut entries: Vec<(String, &Value)> = Vec::new();
    let source = match &value {
        Value::Object(all) => {
            entries.extend(all.iter().map(|(id, boxes)| (id.clone(), boxes)));
            "boxes of a file"
        }
        Value::Array(all) => {
            for (position, entry) in all.iter().enumerate() {
                let file = entry["file"].as_str();
                let file = file.with_context(|| format!("entry {position}: no `file`"))?;
                // Names come with and without the ending of the video.
                let id = file.strip_suffix(".mp4").unwrap_or(file);
                entries.push((id.to_owned(), &entry["bbox"]));
            }
            "VGG-SS"
        }
        _ => bail!("expected an object of boxes by clip, or VGG-SS's list"),
    };
    let mut boxes = BTreeMap::new();
    for (id, value) in entries {
        let list = rectangles(value).with_context(|| format!("clip `{id}`"))?;
        boxes.insert(id, list);
    }
    Ok(Truths { boxes, agree: 1, source: source.to_owned() })
}

fn rectangles(value: &Value) -> anyhow::Result<Vec<Rectangle>> {
    let expected = "expected a list of boxes [left, top, right, bottom], in shares of the sides";
    let list = value.as_array().context(expected)?;
    let one = |value: &Value| {
        let numbers: Option<Vec<f64>> = value.as_array()?.iter().map(Value::as_f64).collect();
        let corners: Rectangle = numbers?.try_into().ok()?;
        // Slightly outside stands in VGG-SS too; pixels would be far outside.
        corners.iter().all(|share| (-0.5..=1.5).contains(share)).then_some(corners)
    };
    list.iter().map(|value| one(value).context(expected)).collect()
}

fn flickr(folder: &Path) -> anyhow::Result<Truths> {
    let mut boxes = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "xml") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let list = annotations(&text).with_context(|| path.display().to_string())?;
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        boxes.insert(id, list);
    }
    ensure!(!boxes.is_empty(), "holds no .xml");
    let source = format!("Flickr-SoundNet, certain where {FLICKR_AGREE} annotators agree");
    Ok(Truths { boxes, agree: FLICKR_AGREE, source })
}

/// The boxes of one annotation: of each `<bbox>` the last four numbers, in pixels of 256.
fn annotations(text: &str) -> anyhow::Result<Vec<Rectangle>> {
    let one = |part: &str| {
        let inner = part.split("</bbox>").next().unwrap_or(part);
        // What stands between tags; the first child is the annotator's label.
        let values = inner.split('<').filter_map(|piece| piece.split_once('>'));
        let numbers: Vec<f64> = values.filter_map(|(_, value)| value.trim().parse().ok()).collect();
        let corners: Option<&[f64; 4]> = numbers.last_chunk();
        let corners = corners.context("a <bbox> without four numbers")?;
        Ok(corners.map(|pixel| pixel / FLICKR_SIDE))
    };
    text.split("<bbox>").skip(1).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Rectangle = [0.0, 0.0, 1.0, 1.0];

    fn written(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        (folder, path)
    }

    #[test]
    fn vgg_ss_and_plain_objects_are_read() {
        let list =
            r#"[{"class": "dog", "file": "abc_000010.mp4", "bbox": [[0.0, -0.01, 0.5, 0.5]]}]"#;
        let (_folder, path) = written("vggss.json", list);
        let truths = Truths::read(&path).expect("boxes");
        let truth = truths.of("abc_000010", WHOLE, [4, 4]).expect("a truth");
        assert_eq!(truth, Truth::of_boxes(&[[0.0, 0.0, 0.5, 0.5]], [4, 4]));
        // As the published file has it: some boxes have no area, of some clips the only one.
        let list = r#"[{"file": "tap_000055", "class": "tap dancing",
                        "bbox": [[0.5, 0.403125, 0.75, 0.6625000000000001], [0.25, 0, 0.25, 0]]},
                       {"file": "tam_000000", "class": "playing tambourine", "bbox": [[0.26875, 1.0, 0.753125, 1.0]]}]"#;
        let (_folder, path) = written("vggss.json", list);
        let truths = Truths::read(&path).expect("boxes");
        let truth = truths.of("tap_000055", WHOLE, [8, 8]).expect("a truth");
        assert_eq!(truth, Truth::of_boxes(&[[0.5, 0.4, 0.75, 0.66]], [8, 8]));
        assert!(truths.of("tam_000000", WHOLE, [8, 8]).is_none());
        let (_folder, path) = written("own.json", r#"{"a": [[0.5, 0, 1, 1]], "b": []}"#);
        let truths = Truths::read(&path).expect("boxes");
        assert!(truths.of("b", WHOLE, [2, 2]).is_none() && truths.of("c", WHOLE, [2, 2]).is_none());
        // Of the left three quarters, the right third is marked.
        let truth = truths.of("a", [0.0, 0.0, 0.75, 1.0], [1, 3]).expect("a truth");
        assert_eq!(truth, Truth::of_boxes(&[[0.67, 0.0, 1.0, 1.0]], [1, 3]));
        assert!(truths.of("a", [0.0, 0.0, 0.5, 1.0], [1, 3]).is_none(), "outside of the view");
    }

    #[test]
    fn flickr_annotators_vote() {
        let one = "<bbox><label>0</label><xmin>0</xmin><ymin>0</ymin><xmax>128</xmax><ymax>256</ymax></bbox>";
        let two = "<bbox>\n<label>1</label>\n<xmin>0</xmin><ymin>0</ymin><xmax>256</xmax><ymax>256</ymax>\n</bbox>";
        let text = format!("<annotations><annotation>{one}{two}</annotation></annotations>");
        let (folder, _) = written("123.xml", &text);
        let truths = Truths::read(folder.path()).expect("boxes");
        let truth = truths.of("123", WHOLE, [2, 4]).expect("a truth");
        assert!((truth.area() - 0.75).abs() < 1e-9, "half agreed, half by one of two");
    }

    #[test]
    fn what_is_no_annotation_is_named() {
        for (text, named) in [
            ("[{\"bbox\": []}]", "entry 0: no `file`"),
            ("{\"a\": [[1, 2, 3]]}", "clip `a`: expected a list of boxes"),
            ("{\"a\": [[0, 0, 112, 112]]}", "in shares of the sides"),
            ("3", "expected an object"),
            ("no", "no JSON"),
        ] {
            let (_folder, path) = written("boxes.json", text);
            let error = format!("{:#}", Truths::read(&path).expect_err("no boxes"));
            assert!(error.contains(named) && error.starts_with("boxes "), "{error}");
        }
        let (folder, _) = written("1.xml", "<bbox><label>0</label><xmin>1</xmin></bbox>");
        assert!(
            format!("{:#}", Truths::read(folder.path()).expect_err("broken")).contains("1.xml")
        );
    }
}
