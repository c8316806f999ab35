//! A lone process: every collective is the identity.

use tch::Tensor;

use super::{Group, GroupError, Reduce};

/// A group of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Solo;

impl Group for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn world(&self) -> usize {
        1
    }

    fn carries_gpus(&self) -> bool {
        true
    }

    fn broadcast(&self, _: &mut Tensor, root: usize, purpose: &str) -> Result<(), GroupError> {
        assert_eq!(root, 0, "broadcast ({purpose}): a lone process has no rank {root}");
        Ok(())
    }

    fn all_reduce(&self, _: &mut Tensor, _: Reduce, _: &str) -> Result<(), GroupError> {
        Ok(())
    }

    fn all_gather(&self, own: &Tensor, _: &str) -> Result<Tensor, GroupError> {
        Ok(own.detach().copy())
    }

    fn barrier(&self, _: &str) -> Result<(), GroupError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectives_are_the_identity() {
        let mut own = Tensor::from_slice(&[1.5f32, -2.0]);
        let before = own.copy();
        Solo.all_reduce(&mut own, Reduce::Sum, "test").expect("a sum");
        Solo.broadcast(&mut own, 0, "test").expect("a broadcast");
        assert_eq!(own, before);
        assert_eq!(Solo.all_gather(&own, "test").expect("all"), before);
        assert_eq!(Solo.gather_rows(&own, "test").expect("rows"), [before]);
        assert_eq!(Solo.gather_text("hé", "test").expect("text"), ["hé"]);
        assert_eq!(Solo.gather_bytes(b"", "test").expect("bytes"), [b""]);
    }
}
