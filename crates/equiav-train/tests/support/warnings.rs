//! A callback that keeps warnings.

use equiav_train::{Callback, Event};

/// The warnings so far.
#[derive(Default)]
pub(crate) struct Warnings(pub(crate) Vec<String>);

impl Callback for Warnings {
    fn on_event(&mut self, event: &Event) {
        if let Event::Warning(message) = event {
            self.0.push(message.clone());
        }
    }
}
