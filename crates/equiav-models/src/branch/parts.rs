//! A branch from parts, each as configured or of the caller's own making.

use std::fmt;

use tch::nn;

use crate::branch::Branch;
use crate::branch::readout::Readout;
use crate::branch::variant::AugmentedPositives;
use crate::config::BranchConfig;
use crate::encoder::encode::Encode;
use crate::pool::Pool;
use crate::predictor::Predict;

/// Makes one part under the path that belongs to it.
type Make<'a, T> = Box<dyn FnOnce(&nn::Path) -> Box<T> + 'a>;

/// A [`Branch`] in the making: parts that are not named are those of its [`BranchConfig`].
///
/// Parameters are drawn in the order encoder, pool, predictor, intra-modal head, inter-modal head, aggregate, second
/// predictor, whichever order the
/// parts are named in.
pub struct BranchBuilder<'a> {
    config: &'a BranchConfig,
    root: &'a nn::Path<'a>,
    encoder: Option<Make<'a, dyn Encode>>,
    pool: Option<Make<'a, dyn Pool>>,
    predictor: Option<Make<'a, dyn Predict>>,
    intra_head: Option<Make<'a, dyn nn::Module>>,
    inter_head: Option<Make<'a, dyn nn::Module>>,
}

impl BranchConfig {
    /// Begins a branch whose parameters go under `root`, which is usually the root of the store.
    ///
    /// ```
    /// # use equiav_models::{AttentionPool, BranchConfig};
    /// # use tch::nn;
    /// fn with_four_heads(config: &BranchConfig, root: &nn::Path) -> equiav_models::Branch {
    ///     let width = config.encoder.width;
    ///     config.builder(root).pool(|path| AttentionPool::new(path, width, 4)).build()
    /// }
    /// ```
    pub fn builder<'a>(&'a self, root: &'a nn::Path<'a>) -> BranchBuilder<'a> {
        BranchBuilder {
            config: self,
            root,
            encoder: None,
            pool: None,
            predictor: None,
            intra_head: None,
            inter_head: None,
        }
    }

    /// Makes the branch as configured; its parameters go under `root`, which is usually the root of the store, and
    /// carry the published names.
    ///
    /// # Panics
    ///
    /// If [`check`](Self::check) fails, or `root` has a branch of this suffix already.
    #[track_caller]
    pub fn build(&self, root: &nn::Path) -> Branch {
        self.builder(root).build()
    }
}

impl<'a> BranchBuilder<'a> {
    /// An encoder of the caller's own: `make` gets the path `encoder_SUFFIX`.
    ///
    /// The other parts are then made for the width of its tokens.
    pub fn encoder<E: Encode + 'static>(mut self, make: impl FnOnce(&nn::Path) -> E + 'a) -> Self {
        self.encoder = Some(Box::new(|path| Box::new(make(path))));
        self
    }

    /// A pool of the caller's own: `make` gets the path `pool_SUFFIX`.
    pub fn pool<P: Pool + 'static>(mut self, make: impl FnOnce(&nn::Path) -> P + 'a) -> Self {
        self.pool = Some(Box::new(|path| Box::new(make(path))));
        self
    }

    /// A predictor of the caller's own: `make` gets the path `predictor_SUFFIX`.
    pub fn predictor<P: Predict + 'static>(
        mut self,
        make: impl FnOnce(&nn::Path) -> P + 'a,
    ) -> Self {
        self.predictor = Some(Box::new(|path| Box::new(make(path))));
        self
    }

    /// A head of the intra-modal loss of the caller's own, `[.., width]` to `[.., out]`: `make` gets the path
    /// `pred_SUFFIX_intra`.
    pub fn intra_head<H: nn::Module + 'static>(
        mut self,
        make: impl FnOnce(&nn::Path) -> H + 'a,
    ) -> Self {
        self.intra_head = Some(Box::new(|path| Box::new(make(path))));
        self
    }

    /// A head of the inter-modal loss of the caller's own, `[.., width]` to `[.., out]`, the same `out` for all
    /// modalities: `make` gets the path `pred_SUFFIX_inter`.
    pub fn inter_head<H: nn::Module + 'static>(
        mut self,
        make: impl FnOnce(&nn::Path) -> H + 'a,
    ) -> Self {
        self.inter_head = Some(Box::new(|path| Box::new(make(path))));
        self
    }

    /// Makes the branch.
    ///
    /// # Panics
    ///
    /// If [`BranchConfig::check`] fails, or `root` has a branch of this suffix already.
    #[track_caller]
    pub fn build(self) -> Branch {
        let Self { config, root, .. } = self;
        if let Err(error) = config.check() {
            panic!("{error:#}");
        }
        let suffix = &config.suffix;
        // The variable store would rename a second branch's parameters instead of refusing them.
        let taken = root.get(&format!("modality_{suffix}")).is_some();
        assert!(!taken, "the store has a branch `{suffix}` already");
        let path = |part: &str| root / format!("{part}_{suffix}");
        let encoder: Box<dyn Encode> = match self.encoder {
            Some(make) => make(&path("encoder")),
            None => Box::new(config.encoder.build(root, suffix, config.input)),
        };
        let width = encoder.width();
        let pools_by_mean = self.pool.is_none() && config.encoder.pool.is_mean();
        let pool = match self.pool {
            Some(make) => make(&path("pool")),
            None => config.encoder.pool.build(&path("pool"), width),
        };
        let predictor: Box<dyn Predict> = match self.predictor {
            Some(make) => make(&path("predictor")),
            None => {
                let mut predictor = config.predictor.build(root, suffix, width, config.vector);
                if config.zero_init_predictor {
                    predictor.predict_the_mean();
                }
                Box::new(predictor)
            }
        };
        let head = |make: Option<Make<'a, dyn nn::Module>>, kind: &str| {
            let configured = if kind == "intra" { &config.intra_head } else { &config.inter_head };
            let path = match configured.shared {
                true => root / format!("pred_shared_{kind}"),
                false => root / format!("pred_{suffix}_{kind}"),
            };
            make.map_or_else(|| Box::new(configured.build(&path, width)) as _, |make| make(&path))
        };
        let intra_head = head(self.intra_head, "intra");
        let inter_head = head(self.inter_head, "inter");
        let aggregate = config.aggregate.build(&path("aggregate"), width);
        let readout = config.readout.map(|components| {
            Readout::new(&path("readout"), config.inter_head.outputs(width), components)
        });
        let conditioned = config.augmented_positives == AugmentedPositives::Conditioned;
        let conditioner = conditioned.then(|| -> Box<dyn Predict> {
            let path = root / "conditioner";
            Box::new(config.predictor.build(&path, suffix, width, config.vector))
        });
        Branch {
            config: config.clone(),
            encoder,
            pool,
            predictor,
            intra_head,
            inter_head,
            aggregate,
            readout,
            conditioner,
            pools_by_mean,
        }
    }
}

/// Whether `name` is a variable of a modality's encoder or of its pool, whoever has made them; no predictor's and no
/// head's.
pub fn is_encoder(name: &str) -> bool {
    let parts =
        ["patch_embed_", "pos_embed_", "modality_", "blocks_", "norm_", "encoder_", "pool_"];
    parts.iter().any(|part| name.starts_with(part))
}

impl fmt::Debug for BranchBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BranchBuilder").field("config", self.config).finish_non_exhaustive()
    }
}
