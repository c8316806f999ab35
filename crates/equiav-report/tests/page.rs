//! The page of a run: it needs nothing from elsewhere, is well formed, and escapes what it shows.

use equiav_report::page::{
    Answer, Equivariance, GalleryItem, Headline, HeatMaps, Map, Picture, Query, RetrievalGallery,
    RunReport, Sound, Table,
};

const HOSTILE: &str = "<script>alert('x')</script>\"&";

fn picture() -> Picture {
    Picture { bytes: b"\x89PNG, more".to_vec(), size: [4, 3], alt: HOSTILE.to_owned() }
}

fn item() -> GalleryItem {
    let sound = Sound { wav: vec![1, 2, 3], spectrogram: picture(), label: HOSTILE.to_owned() };
    GalleryItem {
        name: HOSTILE.to_owned(),
        labels: HOSTILE.to_owned(),
        picture: Some(picture()),
        sound: Some(sound),
    }
}

/// A page with every section, and hostile text wherever there is text.
fn report() -> RunReport {
    let text = || HOSTILE.to_owned();
    let table = || Table {
        title: text(),
        note: text(),
        columns: vec![text(), text()],
        rows: vec![vec![text(), text()]; 20],
    };
    let answers = vec![
        Answer { item: item(), right: true, similarity: 0.25 },
        Answer { item: item(), right: false, similarity: 0.125 },
    ];
    let query = Query { item: item(), answers, rank: 1.0, candidates: 9 };
    let map = Map { name: text(), pictures: vec![(text(), picture())], sound: None, note: text() };
    RunReport {
        title: text(),
        lead: text(),
        figures: vec![Headline { label: text(), value: text(), note: text() }],
        curves: Some("<svg width=\"8\" height=\"8\" viewBox=\"0 0 8 8\"></svg>".to_owned()),
        online: Some("<svg width=\"8\" height=\"8\" viewBox=\"0 0 8 8\"></svg>".to_owned()),
        equivariance: Equivariance { notes: vec![text()], tables: vec![table()] },
        galleries: vec![RetrievalGallery { title: text(), note: text(), queries: vec![query] }],
        maps: Some(HeatMaps { notes: vec![text()], table: Some(table()), maps: vec![map] }),
        tables: vec![table()],
        preview: Some(picture()),
        recipe: text(),
        environment: vec![(text(), text())],
        missing: vec![text()],
    }
}

/// The tags of `page`, without what stands between them.
fn tags(page: &str) -> Vec<&str> {
    let after = page.split('<').skip(1);
    after.map(|part| part.split_once('>').map_or(part, |(tag, _)| tag)).collect()
}

#[test]
fn nothing_comes_from_elsewhere() {
    let page = report().to_html();
    for tag in tags(&page) {
        for attribute in ["src", "href", "srcset", "poster", "action", "data"] {
            for value in tag.split(&format!(" {attribute}=\"")).skip(1) {
                let own = value.starts_with("data:") || value.starts_with('#');
                assert!(own, "<{tag}> refers to something else");
            }
        }
        let name = tag.split_whitespace().next().unwrap_or_default();
        assert!(!["script", "link", "iframe", "object", "base"].contains(&name), "<{tag}>");
    }
    for forbidden in ["@import", "url(", "http:", "https:"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(
        page.contains("data:image/png;base64,iVBORywgbW9yZQ==")
            && page.contains("data:audio/wav;base64,AQID")
    );
}

#[test]
fn every_text_is_escaped() {
    let page = report().to_html();
    assert!(!page.contains("<script") && !page.contains("alert('x')</"), "{page}");
    let escaped = page.matches("&lt;script&gt;alert('x')&lt;/script&gt;&quot;&amp;").count();
    assert!(escaped > 40, "every field is shown: {escaped}");
}

#[test]
fn the_page_is_well_formed() {
    const VOID: [&str; 4] = ["meta", "img", "input", "br"];
    let page = report().to_html();
    let mut open = Vec::new();
    for tag in tags(&page).into_iter().filter(|tag| !tag.starts_with('!')) {
        let name = tag.split_whitespace().next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed in its order");
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} are left open");
    let ids: Vec<&str> =
        page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
    for anchor in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(ids.contains(&anchor), "#{anchor} leads somewhere");
    }
}

#[test]
fn who_cannot_see_or_point_is_served() {
    let page = report().to_html();
    let tags = tags(&page);
    for tag in tags.iter().filter(|tag| tag.starts_with("img ")) {
        assert!(tag.contains(" alt=\"&lt;"), "<{tag}> says what it shows");
    }
    let headings: Vec<u32> = tags
        .iter()
        .filter_map(|tag| tag.strip_prefix('h')?.split_whitespace().next()?.parse().ok())
        .collect();
    assert_eq!(headings.iter().filter(|level| **level == 1).count(), 1);
    for pair in headings.windows(2) {
        assert!(pair[1] <= pair[0] + 1, "no level is left out: {headings:?}");
    }
    assert!(
        page.contains("<html lang=\"en\">") && page.contains("<a class=\"skip\" href=\"#main\">")
    );
    assert!(
        page.contains("✓") && page.contains("> right<") && page.contains("> wrong<"),
        "not by color alone"
    );
}

#[test]
fn what_is_not_there_has_no_section() {
    let page = RunReport { title: "bare".to_owned(), ..RunReport::default() }.to_html();
    for absent in [
        "id=\"online\"",
        "id=\"equivariance\"",
        "id=\"curves\"",
        "id=\"retrieval\"",
        "id=\"maps\"",
        "href=\"#tables\"",
    ] {
        assert!(!page.contains(absent), "{absent}");
    }
    assert!(page.contains("id=\"recipe\""));
}
