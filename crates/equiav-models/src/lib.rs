//! Encoders, transformation predictors and heads of EquiAV on libtorch: [`Views`] in, [`Embeddings`]
//! out; nothing here samples, logs or knows a loss.
//!
//! A [`Branch`] is the network of one modality, and modalities never meet here. It is made from a
//! [`BranchConfig`] under the published parameter names, so that weights travel both ways:
//!
//! ```
//! use equiav_models::{
//!     BranchConfig, EncoderConfig, HeadConfig, InputConfig, Inter, Intra, MlpConfig, PredictorConfig,
//!     Views,
//! };
//! use tch::{Device, Kind, Tensor, nn};
//!
//! let mlp = MlpConfig::Gelu { ratio: 4 };
//! let config = BranchConfig {
//!     suffix: "a".to_owned(),
//!     input: InputConfig { height: 32, width: 64 },
//!     vector: 24,
//!     encoder: EncoderConfig { width: 48, depth: 2, heads: 3, patch: 16, mlp, mask_padding: false },
//!     predictor: PredictorConfig::Attention { hidden: 16, heads: 8, head_width: 64, mlp },
//!     intra_head: HeadConfig { hidden: 64, out: 32 },
//!     inter_head: HeadConfig { hidden: 64, out: 32 },
//! };
//! let store = nn::VarStore::new(Device::Cpu);
//! let branch = config.build(&store.root());
//!
//! let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
//! let views = Views {
//!     plain: random(&[2, 1, 32, 64]),
//!     augmented: random(&[2, 1, 32, 64]),
//!     vectors: random(&[2, 24]),
//!     centroid: random(&[2, 16, 24]),
//!     material: None,
//! };
//! let embeddings = branch.forward(&views, Intra::Equivariant, Inter::Centroid);
//! assert_eq!(embeddings.inter.size(), [2, 32]);
//! ```

mod attention;
mod block;
mod branch;
mod checkpoint;
mod classifier;
mod config;
mod encoder;
mod export;
mod head;
mod import;
mod init;
mod mlp;
mod norm;
mod patch;
mod pickle;
mod position;
mod predictor;
mod pretrained;
mod report;
mod safetensor;
mod share;
mod variant;
mod vector_encoder;
mod views;
mod weights;

pub use branch::Branch;
pub use checkpoint::{Checkpoint, Segment};
pub use classifier::{Classifier, ClassifierConfig, TrunkConfig, is_head};
pub use config::{BranchConfig, InputConfig, ModelConfig};
pub use encoder::{Encoder, EncoderConfig, View};
pub use export::{Exported, export, model_card, read_export};
pub use head::{Head, HeadConfig};
pub use import::{import_start, import_weights, restore};
pub use mlp::{Mlp, MlpConfig};
pub use position::sine_cosine_table;
pub use predictor::{Predict, Predictor, PredictorConfig};
pub use pretrained::{Features, Pretrained};
pub use report::{ImportReport, WrongShape};
pub use safetensor::to_safetensors;
pub use variant::{Inter, Intra};
pub use views::{Embeddings, IntraPair, Material, Views};
pub use weights::{Weights, read_weights};
