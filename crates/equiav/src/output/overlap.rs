//! What measured lists have in common with the list that was trained on, as text.

use equiav_data::TrainOverlap;

use super::errln;

/// A line under the name of a list, with its line break.
pub(crate) fn line(overlap: Option<&TrainOverlap>) -> String {
    match overlap {
        Some(overlap) => format!("  overlap: {overlap}\n"),
        None => "  overlap: not known, the training list is not here\n".to_owned(),
    }
}

/// Warns in one line if clips that were trained on are among those of any list.
pub(crate) fn warn<'a>(lists: impl IntoIterator<Item = (&'a String, &'a Option<TrainOverlap>)>) {
    let known = lists.into_iter().filter_map(|(list, overlap)| Some((list, overlap.as_ref()?)));
    if let Some(text) = TrainOverlap::warning(known) {
        errln!("warning: {text}");
    }
}
