//! The shell of every page of HTML: one file that loads nothing from elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A whole page. It fits the width of a phone.
///
/// `title` is escaped. `style` is CSS and, like the markup of `body`, is taken as it is: neither may refer to
/// another file.
pub fn document(title: &str, style: &str, body: &Markup) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(style)) }
            }
            body { (body) }
        }
    };
    markup.into_string()
}

/// `bytes` as an address, so that a file becomes part of the page; `media_type` is such as `image/jpeg`.
pub fn data_uri(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_is_escaped_and_style_and_body_are_not() {
        let page = document("a <b>", "p>b{color:red}", &html! { p { b { "1 < 2" } } });
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\"><head>"), "{page}");
        assert!(page.contains("<title>a &lt;b&gt;</title><style>p>b{color:red}</style>"), "{page}");
        assert!(page.ends_with("<body><p><b>1 &lt; 2</b></p></body></html>"), "{page}");
    }

    #[test]
    fn a_file_becomes_its_own_address() {
        assert_eq!(data_uri("image/jpeg", &[255, 216]), "data:image/jpeg;base64,/9g=");
    }
}
