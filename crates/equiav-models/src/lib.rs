//! Encoders, transformation predictors and heads of EquiAV on libtorch: [`BranchInput`] in, [`Embeddings`]
//! out; nothing here samples, logs or knows a loss.
//!
//! A [`Branch`] is the network of one modality, and modalities never meet here. It is made from a
//! [`BranchConfig`] under the published parameter names, so that weights travel both ways, and any of its parts
//! may come from outside ([`BranchConfig::builder`]):
//!
//! ```
//! use equiav_models::{
//!     AugmentedPositives, BranchConfig, BranchInput, EncoderConfig, HeadConfig, InputConfig, Inter, Intra, MlpConfig,
//!     PoolConfig, PredictorConfig,
//! };
//! use tch::{Device, Kind, Tensor, nn};
//!
//! let mlp = MlpConfig::Gelu { ratio: 4 };
//! let config = BranchConfig {
//!     suffix: "a".to_owned(),
//!     input: InputConfig { height: 32, width: 64 },
//!     vector: 24,
//!     encoder: EncoderConfig {
//!         width: 48,
//!         depth: 2,
//!         heads: 3,
//!         patch: 16,
//!         mlp,
//!         mask_padding: false,
//!         pool: PoolConfig::Mean,
//!         shared_from: None,
//!     },
//!     predictor: PredictorConfig::Attention { hidden: 16, heads: 8, head_width: 64, mlp },
//!     intra_head: HeadConfig::projector(64, 32),
//!     inter_head: HeadConfig::projector(64, 32),
//!     augmented_positives: AugmentedPositives::None,
//!     aggregate: PoolConfig::Mean,
//!     zero_init_predictor: false,
//!     readout: None,
//! };
//! let store = nn::VarStore::new(Device::Cpu);
//! let branch = config.build(&store.root());
//!
//! let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
//! let views = BranchInput {
//!     plain: random(&[2, 1, 32, 64]),
//!     augmented: random(&[2, 1, 32, 64]),
//!     vectors: random(&[2, 24]),
//!     centroid: random(&[2, 16, 24]),
//!     material: None,
//! };
//! let embeddings = branch.forward(&views, Intra::Equivariant, Inter::Centroid);
//! assert_eq!(embeddings.inter.size(), [2, 32]);
//! ```

mod branch;
mod classifier;
mod config;
mod encoder;
mod head;
mod layers;
mod masked;
mod pool;
mod predictor;
mod pretrained;
mod weights;

pub use branch::Branch;
pub use branch::parts::{BranchBuilder, is_encoder};
pub use branch::readout::Readout;
pub use branch::variant::{AugmentedPositives, ForwardOptions, Inter, Intra};
pub use branch::views::{BranchInput, Embeddings, IntraPair, MaterialMasks};
pub use classifier::{Classifier, ClassifierConfig, TrunkConfig, is_head};
pub use config::{BranchConfig, InputConfig, ModelConfig};
pub use encoder::checkpoint::{Checkpoint, Segment};
pub use encoder::encode::{Encode, EncodeOptions, Features, ViewKind};
pub use encoder::features::{Activation, FeatureEncoder, FeatureEncoderConfig};
pub use encoder::position::sine_cosine_table;
pub use encoder::{Encoder, EncoderConfig};
pub use head::{Head, HeadConfig, HeadKind, Projector};
pub use layers::mlp::{Mlp, MlpConfig};
pub use masked::{DecoderConfig, MaskedAutoencoder, Reconstruction};
pub use pool::{
    AttentionPool, FirstToken, MeanPool, Pool, PoolConfig, PoolOutput, TransformerPool,
};
pub use predictor::{Predict, Predictor, PredictorConfig, is_predictor};
pub use pretrained::Pretrained;
pub use weights::export::{Exported, export, model_card, read_export};
pub use weights::import::{import_encoders, import_start, import_weights, restore};
pub use weights::report::{ImportReport, WrongShape};
pub use weights::safetensor::to_safetensors;
pub use weights::{Weights, read_weights};
