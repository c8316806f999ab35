//! Exact search: which contents of an index lie nearest to a query, by the cosine of their best windows.

mod measure;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use equiav_augment::Modality;
use equiav_eval::{Rank, score};
use equiav_torch::FullPrecision;
use ndarray::Array1;
use serde::Serialize;
use tch::{Device, Tensor};

use crate::embed::{Row, Span};
use crate::index::{Content, IndexContents, ensure_same_model};
use equiav_train::Fingerprint;

pub use measure::{ListRecall, Recall, measure};

/// Rows of the gallery that are compared at once: 256 MB of 1024 numbers each; a few in tests.
const BLOCK: i64 = if cfg!(test) { 50 } else { 1 << 16 };

/// How far a product may be from its score: beyond that two scores are in the order of their products.
const NEAR: f32 = 1e-4;

/// One content that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// Its files, by the [`path_text`](crate::path_text) of their canonical paths; more than one where
    /// files are equal.
    pub files: Vec<String>,
    /// Whether its sound or its picture was found.
    pub modality: Modality,
    /// The window that is nearest, in seconds of the file; of a picture none.
    pub time: Option<[f64; 2]>,
    /// The window of the query that it is nearest to, in seconds.
    pub query_time: Option<[f64; 2]>,
    /// The cosine of the two, -1 to 1.
    pub score: f32,
}

/// Reads the index at `path`, to be searched with embeddings of `model`.
///
/// # Errors
///
/// As [`IndexContents::read`], and if the index is of another model.
pub fn open(path: &Path, model: &Fingerprint) -> anyhow::Result<IndexContents> {
    let contents = IndexContents::read(path)?;
    ensure_same_model(&contents.about.model, model, path)?;
    Ok(contents)
}

/// The rows of one modality of an index, ready to be compared.
#[derive(Debug)]
pub struct Gallery {
    modality: Modality,
    /// `[rows, width]`
    rows: Tensor,
    /// The content and the time of each row.
    owners: Vec<(Content, Option<Span>)>,
    /// The files of each content.
    files: BTreeMap<Content, Vec<String>>,
}

/// The best pair of windows of a query and one content.
#[derive(Clone, Copy, Debug)]
struct Best {
    content: Content,
    row: usize,
    query: usize,
    score: f32,
}

impl Gallery {
    /// What `contents` hold of `modality`, on `device`.
    pub fn new(contents: &IndexContents, modality: Modality, device: Device) -> Self {
        let (mut owners, mut values) = (Vec::new(), Vec::new());
        for (content, rows) in &contents.rows {
            for row in rows.iter().filter(|row| row.modality == modality) {
                owners.push((*content, row.span));
                values.extend_from_slice(&row.vector);
            }
        }
        let shape = [owners.len() as i64, contents.about.model.width as i64];
        let rows = Tensor::from_slice(&values).view(shape).to_device(device);
        let mut files: BTreeMap<Content, Vec<String>> = BTreeMap::new();
        for (path, content) in &contents.files {
            files.entry(*content).or_default().push(path.clone());
        }
        Self { modality, rows, owners, files }
    }

    /// How many contents there are.
    pub fn len(&self) -> usize {
        let mut contents: Vec<Content> = self.owners.iter().map(|(content, _)| *content).collect();
        contents.dedup();
        contents.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// The `count` contents nearest to `query`, nearest first; each counts once, by its best window.
    /// Of equally near ones the one with the smaller digest comes first.
    ///
    /// # Panics
    ///
    /// If a row of `query` has another width than the index.
    pub fn search(&self, query: &[&Row], count: usize) -> Vec<Hit> {
        let mut best = self.best(query);
        let nearer = |a: &Best, b: &Best| order(b.score, a.score).then(a.content.cmp(&b.content));
        if count < best.len() {
            best.select_nth_unstable_by(count, nearer);
            best.truncate(count);
        }
        best.sort_unstable_by(nearer);
        best.into_iter().map(|best| self.hit(best, query)).collect()
    }

    /// Where the content `right` stands among all for `query`; none where there is no such content.
    ///
    /// The last bits of a product depend on what stands beside it. So contents about as near as `right` are
    /// compared by their [`score`]s: equal rows are tied.
    ///
    /// # Panics
    ///
    /// If a row of `query` has another width than the index.
    pub(crate) fn rank(&self, query: &[&Row], right: Content) -> Option<Rank> {
        let best = self.best(query);
        let about = best.iter().find(|best| best.content == right)?.score;
        let scores: Array1<f32> = best
            .iter()
            .map(|best| match (best.score - about).abs() > NEAR {
                true => best.score,
                false => self.exact(best, query),
            })
            .collect();
        Rank::of(scores.view(), |place| best[place].content == right)
    }

    /// The best score of the windows of one content.
    fn exact(&self, best: &Best, query: &[&Row]) -> f32 {
        let own = |row: &usize| self.owners[*row].0 == best.content;
        let rows = (0..best.row)
            .rev()
            .take_while(own)
            .chain((best.row..self.owners.len()).take_while(own));
        let scores = rows.flat_map(|row| {
            let values = self.rows.get(row as i64).to_device(Device::Cpu);
            let values = Vec::<f32>::try_from(values).expect("numbers");
            query.iter().map(move |query| score(&query.vector, &values))
        });
        scores.fold(f32::NEG_INFINITY, f32::max)
    }

    /// The best pair of windows of every content.
    fn best(&self, query: &[&Row]) -> Vec<Best> {
        let mut best: Vec<Best> = Vec::new();
        for (row, (score, query)) in self.scores(query).into_iter().enumerate() {
            let content = self.owners[row].0;
            let pair = Best { content, row, query, score };
            // The rows of a content stand together.
            match best.last_mut() {
                Some(last) if last.content == content => {
                    if order(score, last.score) == Ordering::Greater {
                        *last = pair;
                    }
                }
                _ => best.push(pair),
            }
        }
        best
    }

    /// The best score of every row, and the row of the query that has it.
    fn scores(&self, query: &[&Row]) -> Vec<(f32, usize)> {
        if query.is_empty() || self.is_empty() {
            return Vec::new();
        }
        let width = self.rows.size()[1];
        let values: Vec<f32> = query.iter().flat_map(|row| row.vector.iter().copied()).collect();
        let queries = Tensor::from_slice(&values).view([query.len() as i64, width]);
        let queries = queries.to_device(self.rows.device()).tr();
        let mut scores = Vec::with_capacity(self.owners.len());
        // Near scores decide the order, whatever the network computes in.
        let _full = FullPrecision::new().expect("libtorch has products of 32 bits");
        for block in self.rows.split(BLOCK, 0) {
            let (best, which) = block.matmul(&queries).max_dim(1, false);
            let best = Vec::<f32>::try_from(best.to_device(Device::Cpu)).expect("numbers");
            let which = Vec::<i64>::try_from(which.to_device(Device::Cpu)).expect("numbers");
            scores.extend(best.into_iter().zip(which.into_iter().map(|which| which as usize)));
        }
        scores
    }

    fn hit(&self, best: Best, query: &[&Row]) -> Hit {
        let (content, span) = self.owners[best.row];
        Hit {
            files: self.files.get(&content).cloned().unwrap_or_default(),
            modality: self.modality,
            time: span.map(Span::seconds),
            query_time: query[best.query].span.map(Span::seconds),
            score: best.score,
        }
    }
}

/// The rows of `query` that look into a gallery of `modality`: those of the other modality where there
/// are any, for that is what the model was trained to compare; else all.
pub fn lookers(query: &[Row], modality: Modality) -> Vec<&Row> {
    let others: Vec<&Row> = query.iter().filter(|row| row.modality != modality).collect();
    if others.is_empty() { query.iter().collect() } else { others }
}

fn order(a: f32, b: f32) -> Ordering {
    a.total_cmp(&b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{Cutting, Medium};
    use crate::index::About;
    use equiav_train::Fingerprint;

    /// Contents of that many pictures and sounds; sounds have three windows.
    fn contents(count: u8) -> IndexContents {
        let model = Fingerprint { digest: "0".repeat(16), name: "none".to_owned(), width: 4 };
        let about = About { model, cutting: Cutting { window: 10, stride: 10 } };
        let mut all = IndexContents { about, rows: BTreeMap::new(), files: BTreeMap::new() };
        for number in 0..count {
            for medium in [Medium::Sound, Medium::Picture] {
                let mut digest = [0; 32];
                digest[0] = number;
                let content = Content { medium, digest };
                let rows = (0..if medium == Medium::Sound { 3 } else { 1 }).map(|window| Row {
                    modality: match medium {
                        Medium::Sound => Modality::AUDIO,
                        _ => Modality::VISUAL,
                    },
                    span: (medium == Medium::Sound)
                        .then_some(Span { start: 100 * window, end: 100 * (window + 1) }),
                    vector: equiav_train::clips::hash_noise(u64::from(number) * 7 + window, 4),
                });
                all.rows.insert(content, rows.collect());
                all.files.insert(format!("/{medium:?}/{number}"), content);
            }
        }
        all
    }

    #[test]
    fn search_is_what_a_loop_over_all_pairs_finds() {
        let contents = contents(40);
        let gallery = Gallery::new(&contents, Modality::AUDIO, Device::Cpu);
        assert_eq!(gallery.len(), 40);
        let query: Vec<Row> = (0..2)
            .map(|number| Row {
                modality: Modality::VISUAL,
                span: Some(Span { start: number, end: number + 1 }),
                vector: equiav_train::clips::hash_noise(1_000 + number, 4),
            })
            .collect();
        let hits = gallery.search(&lookers(&query, Modality::AUDIO), 5);
        let mut expected: Vec<Hit> = Vec::new();
        for (path, content) in &contents.files {
            let rows = contents.rows[content].iter().filter(|row| row.modality == Modality::AUDIO);
            let pairs = rows.flat_map(|row| query.iter().map(move |query| (row, query)));
            let hit = |(row, query): (&Row, &Row)| {
                let products = row.vector.iter().zip(&query.vector).map(|(a, b)| a * b);
                Hit {
                    files: vec![path.clone()],
                    modality: Modality::AUDIO,
                    time: row.span.map(Span::seconds),
                    query_time: query.span.map(Span::seconds),
                    score: products.sum(),
                }
            };
            expected.extend(pairs.map(hit).max_by(|a, b| order(a.score, b.score)));
        }
        expected.sort_by(|a, b| order(b.score, a.score));
        assert_eq!(hits.len(), 5);
        for (hit, expected) in hits.into_iter().zip(expected) {
            assert!((hit.score - expected.score).abs() < 1e-6, "{hit:?} {expected:?}");
            assert_eq!(Hit { score: expected.score, ..hit }, expected);
        }
    }

    #[test]
    fn of_equally_near_contents_the_smaller_digest_comes_first() {
        let mut contents = contents(40);
        for rows in contents.rows.values_mut() {
            rows.iter_mut().for_each(|row| row.vector = equiav_train::clips::hash_noise(1, 4));
        }
        let gallery = Gallery::new(&contents, Modality::VISUAL, Device::Cpu);
        let query = Row {
            modality: Modality::AUDIO,
            span: None,
            vector: equiav_train::clips::hash_noise(2, 4),
        };
        let found = gallery.search(&[&query], 3).into_iter().flat_map(|hit| hit.files);
        let expected = [0, 1, 2].map(|number| format!("/Picture/{number}"));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn equal_rows_are_tied_wherever_they_stand() {
        let mut contents = contents(40);
        for (number, rows) in contents.rows.values_mut().enumerate() {
            let vector = equiav_train::clips::hash_noise(if number % 4 < 2 { 1 } else { 3 }, 4);
            rows.iter_mut().for_each(|row| row.vector.clone_from(&vector));
        }
        let gallery = Gallery::new(&contents, Modality::VISUAL, Device::Cpu);
        let query = Row {
            modality: Modality::AUDIO,
            span: None,
            vector: equiav_train::clips::hash_noise(3, 4),
        };
        let pictures = contents.rows.keys().filter(|content| content.medium == Medium::Picture);
        for content in pictures {
            // 20 pictures are equally near, 20 equally far: the middle of the first 20 places and of the others.
            let near = contents.rows[content][0].vector == equiav_train::clips::hash_noise(3, 4);
            let rank = gallery.rank(&[&query], *content).expect("a picture");
            assert_eq!(rank.mean(), if near { 10.5 } else { 30.5 });
        }
        let missing = Content { medium: Medium::Picture, digest: [9; 32] };
        assert!(gallery.rank(&[&query], missing).is_none());
    }

    #[test]
    fn scores_are_those_of_full_precision_whatever_is_set() {
        use equiav_torch::{MatmulPrecision, set_matmul_precision};
        // Large enough for the libraries that a lower precision is handed to.
        let row = |seed: u64, modality| Row {
            modality,
            span: None,
            vector: equiav_train::clips::hash_noise(seed, 512),
        };
        let mut contents = contents(40);
        contents.about.model.width = 512;
        for (seed, (content, rows)) in (0..).zip(&mut contents.rows) {
            let modality =
                if content.medium == Medium::Sound { Modality::AUDIO } else { Modality::VISUAL };
            *rows = (0..20).map(|window| row(seed * 20 + window, modality)).collect();
        }
        let gallery = Gallery::new(&contents, Modality::VISUAL, Device::Cpu);
        let query: Vec<Row> = (0..64).map(|seed| row(9_000 + seed, Modality::AUDIO)).collect();
        let found = |precision| {
            set_matmul_precision(precision).expect("libtorch takes it");
            gallery.search(&lookers(&query, Modality::VISUAL), 40)
        };
        let low = found(MatmulPrecision::Medium);
        assert_eq!(low, found(MatmulPrecision::Highest));
    }

    #[test]
    fn a_query_looks_into_the_other_modality_first() {
        let row = |modality| Row { modality, span: None, vector: vec![1.0] };
        let both = [row(Modality::AUDIO), row(Modality::VISUAL)];
        assert_eq!(lookers(&both, Modality::AUDIO), [&both[1]]);
        assert_eq!(lookers(&both[..1], Modality::AUDIO), [&both[0]]);
        let empty = Gallery::new(&contents(0), Modality::AUDIO, Device::Cpu);
        assert!(empty.is_empty() && empty.search(&[&both[0]], 3).is_empty());
    }
}
