//! Sounds compared with every token of a picture instead of with what the tokens are pooled to; no part of the paper.

use equiav_augment::Modality;
use equiav_loss::{Temperature, TokenKeys, TokenPool, UnseenSounds, token_nce};
use tch::Tensor;

use super::quiet;
use crate::engine::{Gathered, Named, Term};
use crate::recipe::Tokens;

/// The name of the term.
pub(super) const TERM: &str = "tokens";
/// The rows of the tokens of pictures, those of a picture side by side, `[b, t · out]`.
pub(super) const ROWS: &str = "tokens_visual";

/// `token_nce` of the tokens of pictures and z̄ of sounds, with silence and noise among the sounds where there are any; none
/// where tokens are not compared.
pub(super) fn term(
    tokens: Tokens,
    own: &Named,
    all: &Gathered,
    tau: Temperature<'_>,
    chunk: Option<i64>,
) -> Option<Term> {
    let pool = match tokens {
        Tokens::None => return None,
        Tokens::Max => TokenPool::Max,
        Tokens::LogSumExp => TokenPool::LogSumExp,
    };
    let audio = format!("inter_{}", Modality::AUDIO);
    let sounds = &own[&audio];
    let by_token = |rows: &Tensor| rows.unflatten(1, [-1, sounds.size()[1]]); // [n, t, out]
    let [embeddings, counted] = quiet::ROWS;
    let counted = own.contains_key(counted).then(|| all.rows(counted).select(1, 0).gt(0.5));
    let keys = TokenKeys {
        tokens: &by_token(all.rows(ROWS)),
        sounds: all.rows(&audio),
        first: all.first,
        unseen: counted
            .as_ref()
            .map(|counted| UnseenSounds { sounds: all.rows(embeddings), counted }),
    };
    let contrast = token_nce(&by_token(&own[ROWS]), sounds, &keys, pool, tau, chunk);
    Some(Term::contrast(TERM, contrast))
}
