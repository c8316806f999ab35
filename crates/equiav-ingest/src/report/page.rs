//! A scan as a page of HTML that needs no other file.

use maud::{Markup, html};

use crate::{FileReport, Scanned, Summary};
use equiav_report::html::{data_uri, document};

const STYLE: &str = "body{font:15px sans-serif;margin:2em;color:#222}\
    table{border-collapse:collapse;margin:1em 0}\
    td,th{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}\
    td.n{text-align:right}img{max-width:160px;display:block}\
    tr.out td{background:#fff4f2}code{overflow-wrap:anywhere}";

/// The page of `files`; names are escaped, thumbnails are part of it.
pub fn page(title: &str, files: &[Scanned]) -> String {
    let summary = Summary::of(files.iter().map(|scanned| &scanned.report));
    let body = html! {
        h1 { (title) }
        p { (summary.used) " of " (summary.files) " files give " (summary.clips) " clips." }
        table {
            tr { th { "finding" } th { "files" } }
            @for (reason, files) in &summary.findings {
                tr { td { (reason) } td.n { (files) } }
            }
        }
        table {
            tr { th {} th { "file" } th { "clips" } th { "holds" } th { "findings" } }
            @for scanned in files { (row(scanned)) }
        }
    };
    document(title, STYLE, &body)
}

fn row(scanned: &Scanned) -> Markup {
    let report = &scanned.report;
    html! {
        tr.out[report.clips == 0] {
            td {
                @if let Some(jpeg) = &scanned.thumbnail {
                    img alt="" src=(data_uri("image/jpeg", jpeg));
                }
            }
            td {
                code { (report.file) }
                @if let Some(sound) = &report.sound { br; code { (sound) } }
            }
            td.n { (report.clips) }
            td { (holds(report)) }
            td { @for finding in &report.findings { div { (finding) } } }
        }
    }
}

/// Such as `5.3 s, 1280 x 720, 48000 Hz, 6 channels`.
fn holds(report: &FileReport) -> String {
    let Some(media) = report.media else { return String::new() };
    let mut parts = vec![format!("{:.1} s", media.seconds)];
    if media.frames > 0 {
        parts.push(format!("{} x {}, {} frames", media.size[0], media.size[1], media.frames));
    }
    if media.rate > 0 {
        parts.push(format!("{} Hz, channels: {}", media.rate, media.channels));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Finding, Reason};

    #[test]
    fn hostile_names_are_escaped_and_nothing_is_loaded() {
        let report = FileReport {
            file: "<script>alert(1)</script>\".mp4".to_owned(),
            sound: None,
            clips: 0,
            media: None,
            findings: vec![Finding::new(Reason::NoAudio, "<b>none</b>")],
        };
        let page = page("a & b", &[Scanned { report, thumbnail: Some(vec![255, 216]) }]);
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
        assert!(page.contains("no-audio: &lt;b&gt;none&lt;/b&gt;") && page.contains("a &amp; b"));
        assert!(page.contains("src=\"data:image/jpeg;base64,/9g=\""), "{page}");
        assert!(!page.contains("http") && !page.contains("<script"), "{page}");
    }
}
