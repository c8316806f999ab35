//! What one shard holds: keys, labels and the places of members, packed for millions of samples.

use std::collections::HashMap;

/// The size of a tar file's blocks, in bytes; every member's content begins at a multiple of it.
pub(crate) const BLOCK: u64 = 512;
/// The most members that a shard may have; more belong into several shards.
pub(crate) const MOST_MEMBERS: usize = 1 << 19;
/// The most labels of one sample.
const MOST_LABELS: usize = 1 << 12;
/// The most different suffixes in one shard.
const MOST_SUFFIXES: usize = 1 << u8::BITS;

/// Endings of sounds that need no FFmpeg.
const PLAIN_SOUNDS: [&str; 5] = ["flac", "wav", "mp3", "ogg", "oga"];
/// Endings of files whose sound FFmpeg reads; these may be videos beside a sound of their own.
const OTHER_SOUNDS: [&str; 34] = [
    "opus", "m4a", "m4b", "mp4", "mov", "3gp", "aac", "aiff", "aif", "aifc", "caf", "wma", "amr",
    "webm", "mka", "spx", "w64", "au", "sph", "voc", "ape", "wv", "tta", "mpc", "dsf", "flv", "rm",
    "mpg", "dts", "sox", "avi", "qcp", "ts", "mp2",
];

/// What a member is used as.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum MemberKind {
    /// `flac`, `wav`, `mp3`, `ogg` or `oga`; or, for FFmpeg, `opus`, `m4a`, `aac`, `aiff`, `mp4` and others.
    Sound,
    /// `jpg`, `jpeg`, `png` or `webp`, or these behind a frame's number; `jpg` is frame 0.
    Picture(u32),
    /// `json`: labels and factors.
    Json,
}

impl MemberKind {
    /// What a member with `suffix` is used as; `None` if it is not.
    pub fn of(suffix: &str) -> Option<Self> {
        let is =
            |name: &str, known: &[&str]| known.iter().any(|one| name.eq_ignore_ascii_case(one));
        if is(suffix, &PLAIN_SOUNDS) || takes_ffmpeg(suffix) {
            return Some(Self::Sound);
        }
        if is(suffix, &["json"]) {
            return Some(Self::Json);
        }
        let (number, extension) = suffix.rsplit_once('.').unwrap_or(("0", suffix));
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let picture = digits && is(extension, &["jpg", "jpeg", "png", "webp"]);
        picture.then(|| number.parse().ok().map(Self::Picture)).flatten()
    }
}

/// Whether a sound with `suffix` is FFmpeg's to read.
pub(crate) fn takes_ffmpeg(suffix: &str) -> bool {
    OTHER_SOUNDS.iter().any(|one| suffix.eq_ignore_ascii_case(one))
}

/// Where the content of a member lies in its tar file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Its first byte.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// The samples of one shard; about 9 bytes a member.
///
/// Columns instead of a structure for each sample: a million samples of twelve members fit in
/// 150 MB. Members that are neither sound, picture nor JSON are not kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardContents {
    keys: String,
    key_ends: Vec<u32>,
    member_ends: Vec<u32>,
    blocks: Vec<u32>,
    lengths: Vec<u32>,
    suffixes: Vec<u8>,
    label_ends: Vec<u32>,
    labels: Vec<u32>,
    suffix_names: Vec<(String, MemberKind)>,
    label_names: String,
    label_name_ends: Vec<u32>,
}

impl ShardContents {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.key_ends.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.key_ends.is_empty()
    }

    /// The key of `sample`.
    ///
    /// # Panics
    ///
    /// If there is no such sample, as all below.
    pub fn key(&self, sample: usize) -> &str {
        &self.keys[range(&self.key_ends, sample)]
    }

    /// The labels of `sample`.
    pub fn labels(&self, sample: usize) -> impl Iterator<Item = &str> {
        let labels = &self.labels[range(&self.label_ends, sample)];
        let name = |label: &u32| &self.label_names[range(&self.label_name_ends, *label as usize)];
        labels.iter().map(name)
    }

    /// The members of `sample`: suffix, kind and place, in the order of the tar file.
    pub fn members(&self, sample: usize) -> impl Iterator<Item = (&str, MemberKind, Place)> {
        range(&self.member_ends, sample).map(|member| {
            let (suffix, kind) = &self.suffix_names[usize::from(self.suffixes[member])];
            let offset = u64::from(self.blocks[member]) * BLOCK;
            (suffix.as_str(), *kind, Place { offset, length: self.lengths[member].into() })
        })
    }

    /// The sound of `sample`, the first that needs no FFmpeg if there is one: suffix and place.
    pub fn sound(&self, sample: usize) -> Option<(&str, Place)> {
        let sounds = self.members(sample).filter(|(_, kind, _)| *kind == MemberKind::Sound);
        let sound = sounds.min_by_key(|(suffix, ..)| takes_ffmpeg(suffix));
        sound.map(|(suffix, _, place)| (suffix, place))
    }

    /// How many pictures `sample` has.
    pub fn pictures(&self, sample: usize) -> usize {
        self.members(sample).filter(|(_, kind, _)| matches!(kind, MemberKind::Picture(_))).count()
    }

    /// Picture `at` of `sample`, counted in the order of the frames' numbers: suffix and place.
    pub fn picture(&self, sample: usize, at: usize) -> Option<(&str, Place)> {
        let mut pictures: Vec<_> = self
            .members(sample)
            .filter(|(_, kind, _)| matches!(kind, MemberKind::Picture(_)))
            .collect();
        pictures.sort_by_key(|(_, kind, _)| *kind);
        pictures.get(at).map(|(suffix, _, place)| (*suffix, *place))
    }

    /// Whether a sample has both a sound and a picture.
    pub(crate) fn complete(&self, sample: usize) -> bool {
        self.sound(sample).is_some() && self.pictures(sample) > 0
    }
}

/// The part of a column that belongs to `sample`, given where each sample's part ends.
fn range(ends: &[u32], sample: usize) -> std::ops::Range<usize> {
    let start = sample.checked_sub(1).map_or(0, |before| ends[before]);
    start as usize..ends[sample] as usize
}

/// Fills [`ShardContents`] sample by sample.
#[derive(Debug)]
pub(crate) struct Builder {
    contents: ShardContents,
    label_numbers: HashMap<String, u32>,
    /// The length of the tar file, in bytes.
    bytes: u64,
}

impl Builder {
    /// For a tar file of `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { contents: ShardContents::default(), label_numbers: HashMap::new(), bytes }
    }

    /// Adds a member to the sample that [`sample`](Self::sample) will close.
    pub(crate) fn member(&mut self, suffix: &str, place: Place) -> Result<(), String> {
        let Place { offset, length } = place;
        let end = offset.checked_add(length);
        if end.is_none_or(|end| end > self.bytes) {
            let bytes = self.bytes;
            return Err(format!(
                "{length} bytes from byte {offset} on lie beyond the end at {bytes}"
            ));
        }
        if !offset.is_multiple_of(BLOCK) {
            return Err(format!("offset {offset} is no multiple of {BLOCK}"));
        }
        let Some(kind) = MemberKind::of(suffix) else { return Ok(()) };
        let wide =
            |number: u64| u32::try_from(number).map_err(|_| "lies too far behind".to_owned());
        let (block, length) = (wide(offset / BLOCK)?, wide(length)?);
        let number = self.suffix_number(suffix, kind)?;
        let contents = &mut self.contents;
        let start = contents.member_ends.last().map_or(0, |end| *end as usize);
        if contents.suffixes[start..].contains(&number) {
            return Err("comes twice".to_owned());
        }
        if contents.blocks.len() == MOST_MEMBERS {
            return Err(format!("is one more than the {MOST_MEMBERS} that a shard may hold"));
        }
        contents.blocks.push(block);
        contents.lengths.push(length);
        contents.suffixes.push(number);
        Ok(())
    }

    /// Closes a sample of the members since the last.
    pub(crate) fn sample<'l>(
        &mut self,
        key: &str,
        labels: impl IntoIterator<Item = &'l str>,
    ) -> Result<(), String> {
        let contents = &mut self.contents;
        for (count, label) in labels.into_iter().enumerate() {
            if count == MOST_LABELS {
                return Err(format!("sample `{key}` has more than {MOST_LABELS} labels"));
            }
            let number = match self.label_numbers.get(label) {
                Some(number) => *number,
                None => {
                    if contents.label_names.len() + label.len() > u32::MAX as usize {
                        return Err("the shard has more than 4 GiB of labels".to_owned());
                    }
                    let number = contents.label_name_ends.len() as u32;
                    contents.label_names.push_str(label);
                    contents.label_name_ends.push(contents.label_names.len() as u32);
                    self.label_numbers.insert(label.to_owned(), number);
                    number
                }
            };
            contents.labels.push(number);
        }
        contents.keys.push_str(key);
        contents.key_ends.push(contents.keys.len() as u32);
        contents.member_ends.push(contents.blocks.len() as u32);
        contents.label_ends.push(contents.labels.len() as u32);
        Ok(())
    }

    /// The contents, without spare room.
    pub(crate) fn finish(self) -> ShardContents {
        let mut contents = self.contents;
        contents.keys.shrink_to_fit();
        contents.label_names.shrink_to_fit();
        contents.suffixes.shrink_to_fit();
        let ShardContents { key_ends, member_ends, blocks, lengths, label_ends, labels, .. } =
            &mut contents;
        for column in [key_ends, member_ends, blocks, lengths, label_ends, labels] {
            column.shrink_to_fit();
        }
        contents
    }

    /// The number of `suffix`; most often that of the same place in the sample before.
    fn suffix_number(&mut self, suffix: &str, kind: MemberKind) -> Result<u8, String> {
        let names = &mut self.contents.suffix_names;
        let start = self.contents.member_ends.last().map_or(0, |end| *end as usize);
        let guess = self.contents.blocks.len() - start;
        if names.get(guess).is_some_and(|(name, _)| name == suffix) {
            return Ok(guess as u8);
        }
        if let Some(known) = names.iter().position(|(name, _)| name == suffix) {
            return Ok(known as u8);
        }
        if names.len() == MOST_SUFFIXES {
            return Err(format!(
                "is of one kind more than the {MOST_SUFFIXES} that a shard may hold"
            ));
        }
        names.push((suffix.to_owned(), kind));
        Ok((names.len() - 1) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_say_what_a_member_is() {
        for (suffix, kind) in [
            ("flac", Some(MemberKind::Sound)),
            ("WAV", Some(MemberKind::Sound)),
            ("opus", Some(MemberKind::Sound)),
            ("M4A", Some(MemberKind::Sound)),
            ("jpg", Some(MemberKind::Picture(0))),
            ("9.jpg", Some(MemberKind::Picture(9))),
            ("012.PNG", Some(MemberKind::Picture(12))),
            ("json", Some(MemberKind::Json)),
            ("x.jpg", None),
            (".jpg", None),
            ("+1.jpg", None),
            ("99999999999.jpg", None),
            ("txt", None),
        ] {
            assert_eq!(MemberKind::of(suffix), kind, "{suffix}");
        }
    }

    #[test]
    fn samples_come_back_as_they_went_in() {
        let mut builder = Builder::new(1 << 20);
        let at = |block: u64, length| Place { offset: block * BLOCK, length };
        for (suffix, place) in [("10.jpg", at(1, 7)), ("2.jpg", at(3, 8)), ("txt", at(5, 1))] {
            builder.member(suffix, place).unwrap();
        }
        builder.sample("a", ["x", "y"]).unwrap();
        builder.member("wav", at(9, 0)).unwrap();
        builder.sample("b/ü", []).unwrap();
        for (suffix, place, expected) in [
            ("wav", at(4000, 1), "beyond the end"),
            ("wav", Place { offset: u64::MAX, length: 2 }, "beyond the end"),
            ("wav", Place { offset: 5, length: 2 }, "no multiple"),
        ] {
            assert!(builder.member(suffix, place).unwrap_err().contains(expected));
        }
        let contents = builder.finish();
        assert_eq!((contents.key(0), contents.key(1)), ("a", "b/ü"));
        assert_eq!(contents.labels(0).collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(contents.labels(1).count(), 0);
        assert_eq!(contents.picture(0, 0), Some(("2.jpg", at(3, 8))));
        assert_eq!(contents.picture(0, 1), Some(("10.jpg", at(1, 7))));
        assert_eq!((contents.pictures(0), contents.pictures(1)), (2, 0));
        assert_eq!((contents.sound(0), contents.sound(1)), (None, Some(("wav", at(9, 0)))));
    }
}
