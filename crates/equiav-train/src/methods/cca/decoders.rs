//! Perceptrons that reconstruct views from codes.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use equiav_augment::Modality;
use equiav_models::{
    Activation, Encode, EncodeOptions, FeatureEncoder, FeatureEncoderConfig, ViewKind,
};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

use super::settings::CodeDecoder;
use crate::clips::DeviceBatch;
use crate::engine::Named;
use crate::methods::towers::Towers;

/// What the terms of reconstruction begin with.
pub(super) const TERM: &str = "reconstruction_";

/// A decoder for each modality's view.
#[derive(Debug)]
pub(super) struct Decoders {
    each: BTreeMap<Modality, Decoder>,
}

#[derive(Debug)]
struct Decoder {
    /// Whose code it reads.
    from: Modality,
    hidden: FeatureEncoder,
    last: nn::Linear,
}

/// The term of the reconstruction of `modality`.
pub(super) fn term(modality: Modality) -> String {
    format!("{TERM}{modality}")
}

impl Decoders {
    /// Decoders of views of as many numbers as `inputs` says.
    pub(super) fn new(
        towers: &Towers,
        settings: &CodeDecoder,
        inputs: &[(Modality, i64)],
    ) -> anyhow::Result<Self> {
        let modalities = towers.modalities();
        let known = settings.from.is_none_or(|from| modalities.contains(&from));
        ensure!(known, "method.decoder.from: there is no such modality");
        let root = towers.own_variables();
        let decoder = |modality: Modality| {
            let from = settings.from.unwrap_or(modality);
            let branch = &towers.network.branches[&from];
            let width = branch.config().inter_head.outputs(branch.encoder().width());
            let path = &root / format!("decoder_{modality}");
            let layers = settings.layers.clone();
            let hidden =
                FeatureEncoderConfig { input: width, layers, activation: Activation::Relu };
            let hidden = hidden.build(&path);
            let numbers = inputs.iter().find(|(name, _)| *name == modality);
            let (_, numbers) =
                numbers.with_context(|| format!("the size of {modality} is not known"))?;
            let last = nn::linear(&path / "last", hidden.width(), *numbers, Default::default());
            Ok((modality, Decoder { from, hidden, last }))
        };
        let each = modalities.into_iter().map(decoder).collect::<anyhow::Result<_>>()?;
        Ok(Self { each })
    }

    /// `|x - decoder(code)|²` of each clip, `[b]`, by modality.
    pub(super) fn errors(&self, codes: &Named, batch: &DeviceBatch) -> Named {
        let error = |(modality, decoder): (&Modality, &Decoder)| {
            let code = &codes[&format!("code_{}", decoder.from)];
            let hidden = decoder.hidden.encode(code, &EncodeOptions::of(ViewKind::Plain)).tokens;
            let made = decoder.last.forward(&hidden.squeeze_dim(1));
            let view = batch.inputs[modality].plain.values.flatten(1, -1);
            let view: Tensor = view.to_kind(made.kind());
            let error =
                (made - view).square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
            (term(*modality), error)
        };
        self.each.iter().map(error).collect()
    }
}
