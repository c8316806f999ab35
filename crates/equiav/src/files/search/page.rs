//! An answer as a page that needs no network: players and pictures are part of it where they are small,
//! else links to the files.

use std::path::{Component, Path};

use anyhow::Context;
use equiav_report::html::{data_uri, document};
use equiav_search::search::Hit;
use equiav_search::text_path;
use equiav_train::Fingerprint;
use maud::{Markup, html};

use super::show::{Answer, time};

/// The largest file that becomes part of the page, in bytes.
const CAP: u64 = 1 << 20;

const STYLE: &str = "\
:root{color-scheme:light}*{box-sizing:border-box}\
body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;max-width:64rem;padding:1rem;color:#1d2228;\
background:#f6f6f3}\
h1{font-size:1.25rem;margin:.2rem 0 .8rem;overflow-wrap:anywhere}\
h2{font-size:1.05rem;margin:1.6rem 0 .6rem}\
.query{background:#fff;border:1px solid #d9d9d2;border-radius:.6rem;padding:1rem}\
.query img,.query video{max-width:100%;max-height:18rem}\
ol{list-style:none;margin:0;padding:0;display:grid;gap:.7rem;\
grid-template-columns:repeat(auto-fill,minmax(10.4rem,1fr))}\
ol.sounds{grid-template-columns:repeat(auto-fill,minmax(18rem,1fr))}\
li{background:#fff;border:1px solid #d9d9d2;border-radius:.6rem;padding:.6rem;break-inside:avoid;\
display:flex;flex-direction:column;gap:.35rem;min-width:0}\
li>.medium{display:flex;align-items:center;justify-content:center;min-height:3rem;flex:1}\
li img,li video{max-width:100%;max-height:11rem}audio{width:100%;min-width:0}\
.line{display:flex;justify-content:space-between;gap:.5rem;font-variant-numeric:tabular-nums}\
.rank{font-weight:600}.bar{height:.3rem;border-radius:.15rem;background:#e6e6df}\
.bar i{display:block;height:100%;border-radius:.15rem;background:#2f6f8f}\
.name,.more{font-size:.82rem;color:#555c63;overflow-wrap:anywhere;margin:0}\
footer{margin:1.6rem 0 .4rem;font-size:.82rem;color:#555c63}\
@media print{body{background:#fff;max-width:none;padding:0}li,.query{border-color:#bbb}audio{display:none}\
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}";

/// What a browser makes of a file.
#[derive(Clone, Copy)]
enum Tag {
    Audio,
    Image,
    Video,
}

/// Endings, what shows them, and their media types.
const KINDS: [(&str, Tag, &str); 19] = [
    ("wav", Tag::Audio, "audio/wav"),
    ("flac", Tag::Audio, "audio/flac"),
    ("mp3", Tag::Audio, "audio/mpeg"),
    ("ogg", Tag::Audio, "audio/ogg"),
    ("opus", Tag::Audio, "audio/ogg"),
    ("m4a", Tag::Audio, "audio/mp4"),
    ("jpg", Tag::Image, "image/jpeg"),
    ("jpeg", Tag::Image, "image/jpeg"),
    ("png", Tag::Image, "image/png"),
    ("webp", Tag::Image, "image/webp"),
    ("mp4", Tag::Video, "video/mp4"),
    ("m4v", Tag::Video, "video/mp4"),
    ("mov", Tag::Video, "video/quicktime"),
    ("webm", Tag::Video, "video/webm"),
    ("mkv", Tag::Video, "video/x-matroska"),
    ("ogv", Tag::Video, "video/ogg"),
    ("avi", Tag::Video, "video/x-msvideo"),
    ("mpg", Tag::Video, "video/mpeg"),
    ("mpeg", Tag::Video, "video/mpeg"),
];

/// The page that is to lie at `place`.
///
/// # Errors
///
/// If `place` has no absolute path.
pub(super) fn page(
    query: &Path,
    answers: &[Answer],
    model: &Fingerprint,
    place: &Path,
) -> anyhow::Result<String> {
    let folder = std::path::absolute(place).context("the page's place")?;
    let folder = folder.parent().unwrap_or(Path::new("")).to_owned();
    let name = name(query);
    let title = format!("What fits {name}");
    let body = html! {
        header.query {
            h1 { "What fits " (name) "?" }
            (medium(query, None, &folder))
        }
        @for answer in answers {
            h2 { "The " (answer.hits.len()) " nearest of " (answer.files) " " (answer.kind()) }
            ol class=(answer.kind()) {
                @for (number, hit) in answer.hits.iter().enumerate() {
                    (card(number + 1, hit, &folder))
                }
            }
        }
        footer { "Scores are cosines. Model " (model.to_string()) "." }
    };
    Ok(document(&title, STYLE, &body))
}

fn card(rank: usize, hit: &Hit, folder: &Path) -> Markup {
    let file = hit.files.first().map(|text| text_path(text)).unwrap_or_default();
    let width = format!("width:{:.0}%", 100.0 * hit.score.clamp(0.0, 1.0));
    html! {
        li {
            div.line {
                span.rank { (rank) }
                span { (format!("{:.3}", hit.score)) }
            }
            div.bar { i style=(width) {} }
            div.medium { (medium(&file, hit.time, folder)) }
            p.name title=(file.display()) { (name(&file)) }
            @if hit.time.is_some() { p.more { (time(hit.time)) } }
            @if hit.files.len() > 1 { p.more { "and " (hit.files.len() - 1) " equal files" } }
        }
    }
}

/// A player or a picture; `time` is what of the file is meant, in seconds.
fn medium(file: &Path, time: Option<[f64; 2]>, folder: &Path) -> Markup {
    let ending = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let kind = KINDS.iter().find(|(known, ..)| *known == ending);
    let (Some((_, tag, media_type)), Ok(metadata)) = (kind, file.metadata()) else {
        return html! { p.more { "the file is not there any more" } };
    };
    let small = (metadata.len() <= CAP).then(|| std::fs::read(file).ok()).flatten();
    let source = match small {
        Some(bytes) => data_uri(media_type, &bytes),
        None => {
            let fragment = time.map(|[start, end]| format!("#t={start:.2},{end:.2}"));
            link(file, folder) + &fragment.unwrap_or_default()
        }
    };
    let name = name(file);
    match tag {
        Tag::Audio => html! { audio controls preload="metadata" src=(source) aria-label=(name) {} },
        Tag::Image => html! { img src=(source) alt=(name); },
        Tag::Video => html! { video controls preload="metadata" src=(source) aria-label=(name) {} },
    }
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The address of `file` from a page in `folder`.
fn link(file: &Path, folder: &Path) -> String {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let shared = file.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| "..".to_owned());
    let down = file.components().skip(shared).map(|part| match part {
        Component::Normal(name) => escaped(name.as_encoded_bytes()),
        _ => String::new(),
    });
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// A name as a part of an address.
fn escaped(name: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let part = |byte: &u8| {
        if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
    };
    name.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use equiav_augment::Modality;

    use super::*;

    fn fingerprint() -> Fingerprint {
        Fingerprint { digest: "0123456789abcdef".to_owned(), name: "tiny".to_owned(), width: 4 }
    }

    #[test]
    fn a_page_holds_small_files_and_links_large_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, size: usize| {
            let path = folder.path().join(name);
            std::fs::write(&path, vec![65; size]).expect("a file");
            path
        };
        let (query, small) = (file("<b>.wav", 3), file("a.png", 3));
        let large = file("so large & odd.mp4", CAP as usize + 1);
        let hit = |path: &Path, time| Hit {
            files: vec![path.to_string_lossy().into_owned(), "/again.png".to_owned()],
            modality: Modality::VISUAL,
            time,
            query_time: None,
            score: 0.5,
        };
        let gone = folder.path().join("gone.png");
        let hits = vec![hit(&small, None), hit(&large, Some([1.28, 2.56])), hit(&gone, None)];
        let answer = Answer { modality: Modality::VISUAL, files: 9, hits };
        let place = folder.path().join("pages/page.html");
        let page = page(&query, &[answer], &fingerprint(), &place).expect("a page");
        assert!(page.contains("What fits &lt;b&gt;.wav?") && !page.contains("<b>"), "{page}");
        assert!(page.contains("src=\"data:audio/wav;base64,QUFB\""), "{page}");
        assert!(page.contains("src=\"data:image/png;base64,QUFB\""), "{page}");
        assert!(page.contains("src=\"../so%20large%20%26%20odd.mp4#t=1.28,2.56\""), "{page}");
        assert!(page.contains("not there any more") && page.contains("and 1 equal files"));
        assert!(!page.contains("http") && !page.contains("<script"), "{page}");
    }
}
