//! `config.json` to the metadata that a GGUF file of the same model would have.
//!
//! Keys that are absent mean what transformers takes for them (configuration_gemma3.py, configuration_siglip.py). Whatever
//! would change the computation and is not Gemma 3's is refused.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::super::metadata::{Array, Value};
use super::names::Size;
use crate::error::{Error, Result, shown};

const FORMAT: &str = "config.json";

/// The activation of Gemma 3 and of its image encoder.
const ACTIVATION: &str = "gelu_pytorch_tanh";

/// A model's shape, and what metadata say about it.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) text: Text,
    pub(super) vision: Option<Vision>,
    /// Whether the embedding is the output matrix as well.
    pub(super) tied: bool,
    /// Tokens that stand for one picture.
    image_tokens: u32,
}

/// The parts that route a file, whichever model it describes.
#[derive(Deserialize)]
struct Root {
    #[serde(default)]
    model_type: String,
    architectures: Option<Vec<String>>,
    text_config: Option<Json>,
    vision_config: Option<Json>,
    mm_tokens_per_image: Option<u32>,
    tie_word_embeddings: Option<bool>,
    quantization_config: Option<Json>,
}

/// The decoder's keys.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Text {
    /// Rows of the embedding; whatever they are, if absent.
    pub(super) vocab_size: Option<u32>,
    hidden_size: u32,
    intermediate_size: u32,
    pub(super) num_hidden_layers: u32,
    num_attention_heads: u32,
    num_key_value_heads: u32,
    head_dim: u32,
    hidden_activation: String,
    max_position_embeddings: u32,
    rms_norm_eps: f32,
    rope_parameters: Option<RopeParameters>,
    rope_theta: Option<f32>,
    rope_local_base_freq: Option<f32>,
    rope_scaling: Option<Rope>,
    attention_bias: bool,
    query_pre_attn_scalar: f64,
    sliding_window: u32,
    sliding_window_pattern: Option<u32>,
    #[serde(rename = "_sliding_window_pattern")]
    saved_sliding_window_pattern: Option<u32>,
    layer_types: Option<Vec<String>>,
    final_logit_softcapping: Option<f32>,
    attn_logit_softcapping: Option<f32>,
    use_bidirectional_attention: Option<bool>,
    tie_word_embeddings: Option<bool>,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            vocab_size: None,
            hidden_size: 2304,
            intermediate_size: 9216,
            num_hidden_layers: 26,
            num_attention_heads: 8,
            num_key_value_heads: 4,
            head_dim: 256,
            hidden_activation: ACTIVATION.to_owned(),
            max_position_embeddings: 131_072,
            rms_norm_eps: 1e-6,
            rope_parameters: None,
            rope_theta: None,
            rope_local_base_freq: None,
            rope_scaling: None,
            attention_bias: false,
            query_pre_attn_scalar: 256.0,
            sliding_window: 4096,
            sliding_window_pattern: None,
            saved_sliding_window_pattern: None,
            layer_types: None,
            final_logit_softcapping: None,
            attn_logit_softcapping: None,
            use_bidirectional_attention: None,
            tie_word_embeddings: None,
        }
    }
}

/// Rotary positions as transformers 5 writes them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RopeParameters {
    full_attention: Option<Rope>,
    sliding_attention: Option<Rope>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rope {
    rope_type: Option<String>,
    /// Its name in older files.
    r#type: Option<String>,
    rope_theta: Option<f32>,
    factor: Option<f32>,
}

impl Rope {
    fn kind(&self) -> Option<&str> {
        self.rope_type.as_deref().or(self.r#type.as_deref())
    }
}

/// The image encoder's keys.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Vision {
    hidden_size: u32,
    intermediate_size: u32,
    pub(super) num_hidden_layers: u32,
    num_attention_heads: u32,
    num_channels: u32,
    image_size: u32,
    patch_size: u32,
    hidden_act: String,
    layer_norm_eps: f32,
}

impl Default for Vision {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 16,
            hidden_act: ACTIVATION.to_owned(),
            layer_norm_eps: 1e-6,
        }
    }
}

impl Config {
    /// Reads and checks `config.json`.
    pub(super) fn read(json: &[u8]) -> Result<Self> {
        let root: Root = parse(json)?;
        if root.quantization_config.is_some() {
            return Err(unlike("a model that is quantised already"));
        }
        let (text, vision): (Text, _) = match root.model_type.as_str() {
            "gemma3_text" => (parse(json)?, None),
            "gemma3" => (
                sub_config(root.text_config)?,
                Some(sub_config(root.vision_config)?),
            ),
            other => return Err(unlike(&format!("a model of type `{other}`"))),
        };
        let known = ["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"];
        let architectures = root.architectures.unwrap_or_default();
        if let Some(other) = architectures.iter().find(|a| !known.contains(&a.as_str())) {
            return Err(unlike(&format!("a model of architecture `{other}`")));
        }
        // Versions of transformers differ in which of the two they ask.
        let tied = [root.tie_word_embeddings, text.tie_word_embeddings];
        let config = Self {
            tied: tied.iter().all(|tied| tied.unwrap_or(true)),
            text,
            vision,
            image_tokens: root.mm_tokens_per_image.unwrap_or(256),
        };
        config.text.check()?;
        if let Some(vision) = &config.vision {
            vision.check()?;
        }
        Ok(config)
    }

    /// How many of `size` there are. `vocabulary`: rows of the embedding.
    pub(super) fn size(&self, size: Size, vocabulary: u64) -> u64 {
        let text = &self.text;
        let defaults = Vision::default();
        let vision = self.vision.as_ref().unwrap_or(&defaults);
        let head = u64::from(text.head_dim);
        match size {
            Size::Vocabulary => vocabulary,
            Size::Hidden => text.hidden_size.into(),
            Size::Inner => text.intermediate_size.into(),
            Size::Queries => u64::from(text.num_attention_heads) * head,
            Size::Keys => u64::from(text.num_key_value_heads) * head,
            Size::Head => head,
            Size::VisionHidden => vision.hidden_size.into(),
            Size::VisionInner => vision.intermediate_size.into(),
            Size::Patches => u64::from(vision.side()).pow(2),
            Size::Patch => vision.patch_size.into(),
            Size::Colours => vision.num_channels.into(),
        }
    }

    /// The keys of architecture `gemma3`.
    pub(super) fn text_metadata(&self) -> Result<Vec<(String, Value)>> {
        let text = &self.text;
        let (full, sliding) = text.rope()?;
        let mut entries = vec![
            ("context_length", Value::U32(text.max_position_embeddings)),
            ("embedding_length", Value::U32(text.hidden_size)),
            ("block_count", Value::U32(text.num_hidden_layers)),
            ("feed_forward_length", Value::U32(text.intermediate_size)),
            ("attention.head_count", Value::U32(text.num_attention_heads)),
            (
                "attention.head_count_kv",
                Value::U32(text.num_key_value_heads),
            ),
            ("attention.key_length", Value::U32(text.head_dim)),
            ("attention.value_length", Value::U32(text.head_dim)),
            (
                "attention.layer_norm_rms_epsilon",
                Value::F32(text.rms_norm_eps),
            ),
            ("attention.sliding_window", Value::U32(text.sliding_window)),
            (
                "attention.sliding_window_pattern",
                Value::U32(text.pattern()?),
            ),
            ("rope.freq_base", Value::F32(full.0)),
            ("rope.freq_base_swa", Value::F32(sliding)),
        ];
        if let Some(factor) = full.1 {
            entries.push(("rope.scaling.type", Value::String("linear".to_owned())));
            entries.push(("rope.scaling.factor", Value::F32(factor)));
        }
        Ok(prefixed("gemma3.", entries))
    }

    /// The keys of architecture `clip`, if there is an image encoder. preprocessor: `preprocessor_config.json` or
    /// `processor_config.json`.
    pub(super) fn vision_metadata(
        &self,
        preprocessor: Option<&[u8]>,
    ) -> Result<Vec<(String, Value)>> {
        let Some(vision) = &self.vision else {
            return Ok(Vec::new());
        };
        let Colours { mean, std } = Colours::read(preprocessor)?;
        let colours = |colours: [f32; 3]| Value::Array(Array::F32(colours.to_vec()));
        let mut entries = vec![
            ("has_vision_encoder", Value::Bool(true)),
            ("projector_type", Value::String("gemma3".to_owned())),
            ("use_gelu", Value::Bool(true)),
            ("vision.image_size", Value::U32(vision.image_size)),
            ("vision.patch_size", Value::U32(vision.patch_size)),
            ("vision.embedding_length", Value::U32(vision.hidden_size)),
            (
                "vision.feed_forward_length",
                Value::U32(vision.intermediate_size),
            ),
            ("vision.block_count", Value::U32(vision.num_hidden_layers)),
            (
                "vision.attention.head_count",
                Value::U32(vision.num_attention_heads),
            ),
            (
                "vision.attention.layer_norm_epsilon",
                Value::F32(vision.layer_norm_eps),
            ),
            ("vision.projection_dim", Value::U32(self.text.hidden_size)),
            ("vision.image_mean", colours(mean)),
            ("vision.image_std", colours(std)),
        ];
        // Readers take 4 where the key is absent.
        match self.pool(vision)? {
            4 => {}
            pool => entries.push(("vision.projector.scale_factor", Value::U32(pool))),
        }
        Ok(prefixed("clip.", entries))
    }

    /// Rows and columns of patches that become one token.
    fn pool(&self, vision: &Vision) -> Result<u32> {
        let tokens = self.image_tokens;
        let side = tokens.isqrt();
        match side > 0 && side * side == tokens && vision.side().is_multiple_of(side) {
            true => Ok(vision.side() / side),
            false => Err(damaged(format!(
                "mm_tokens_per_image is {tokens}, which does not cut {0} by {0} patches into squares",
                vision.side()
            ))),
        }
    }
}

impl Text {
    fn check(&self) -> Result<()> {
        if self.hidden_activation != ACTIVATION {
            return Err(unlike(&format!(
                "the activation `{}`",
                self.hidden_activation
            )));
        }
        if self.attention_bias {
            return Err(unlike("attention with biases"));
        }
        if self.final_logit_softcapping.is_some() || self.attn_logit_softcapping.is_some() {
            return Err(unlike("softcapping, which Gemma 2 has,"));
        }
        if self.use_bidirectional_attention == Some(true) {
            return Err(unlike("attention in both directions"));
        }
        if self.num_attention_heads == 0 {
            return Err(damaged("num_attention_heads is 0".to_owned()));
        }
        // GGUF has no key for the scale of attention; readers take this (llama.cpp, gemma3.cpp).
        let width = match self.num_hidden_layers {
            62 => self.hidden_size / self.num_attention_heads,
            _ => self.head_dim,
        };
        if self.query_pre_attn_scalar != f64::from(width) {
            return Err(unlike(&format!(
                "query_pre_attn_scalar {} in a model whose shape implies {width}",
                self.query_pre_attn_scalar
            )));
        }
        Ok(())
    }

    /// n, if exactly every n-th layer sees everything.
    fn pattern(&self) -> Result<u32> {
        let named = self.sliding_window_pattern;
        let named = named.or(self.saved_sliding_window_pattern).unwrap_or(6);
        let Some(types) = &self.layer_types else {
            return Ok(named);
        };
        if types.len() as u64 != u64::from(self.num_hidden_layers) {
            return Err(damaged(format!(
                "layer_types has {} entries for {} layers",
                types.len(),
                self.num_hidden_layers
            )));
        }
        let known = ["sliding_attention", "full_attention"];
        if let Some(other) = types.iter().find(|kind| !known.contains(&kind.as_str())) {
            return Err(unlike(&format!("a layer of type `{other}`")));
        }
        let is_full = |kind: &String| kind == "full_attention";
        let pattern = match types.iter().position(is_full) {
            Some(first) => first as u32 + 1,
            None => named.max(self.num_hidden_layers.saturating_add(1)),
        };
        let fits = (1..)
            .zip(types)
            .all(|(n, kind)| is_full(kind) == (n % pattern == 0));
        match fits {
            true => Ok(pattern),
            false => Err(unlike(
                "an order of layers in which not every n-th sees everything",
            )),
        }
    }

    /// The base of full layers and what positions are divided by there; the base of sliding layers.
    fn rope(&self) -> Result<((f32, Option<f32>), f32)> {
        let parameters = self.rope_parameters.clone().unwrap_or_default();
        let mut full = parameters.full_attention.unwrap_or_default();
        let sliding = parameters.sliding_attention.unwrap_or_default();
        if let Some(scaling) = self.rope_scaling.clone() {
            full = Rope {
                rope_type: scaling.kind().or(full.kind()).map(str::to_owned),
                r#type: None,
                rope_theta: scaling.rope_theta.or(full.rope_theta),
                factor: scaling.factor.or(full.factor),
            };
        }
        let factor = match (full.kind(), full.factor) {
            (None | Some("default"), _) => None,
            (Some("linear"), Some(factor)) => Some(factor),
            (Some("linear"), None) => {
                return Err(damaged("linear rotary positions have no factor".to_owned()));
            }
            (Some(other), _) => return Err(unlike(&format!("rotary positions of type `{other}`"))),
        };
        if let Some(other) = sliding.kind().filter(|kind| *kind != "default") {
            return Err(unlike(&format!(
                "rotary positions of type `{other}` in sliding layers"
            )));
        }
        let base = full.rope_theta.or(self.rope_theta).unwrap_or(1e6);
        let local = sliding
            .rope_theta
            .or(self.rope_local_base_freq)
            .unwrap_or(1e4);
        Ok(((base, factor), local))
    }
}

impl Vision {
    fn check(&self) -> Result<()> {
        if self.hidden_act != ACTIVATION {
            return Err(unlike(&format!(
                "an image encoder's activation `{}`",
                self.hidden_act
            )));
        }
        if self.num_channels != 3 {
            return Err(unlike(&format!(
                "pictures of {} colours",
                self.num_channels
            )));
        }
        match self.patch_size > 0 && self.image_size.is_multiple_of(self.patch_size) {
            true => Ok(()),
            false => Err(damaged(format!(
                "image_size is {}, no multiple of patch_size {}",
                self.image_size, self.patch_size
            ))),
        }
    }

    /// Patches along each edge.
    fn side(&self) -> u32 {
        self.image_size.checked_div(self.patch_size).unwrap_or(0)
    }
}

/// Mean and standard deviation of each colour, which transformers keeps beside the model.
struct Colours {
    mean: [f32; 3],
    std: [f32; 3],
}

impl Colours {
    fn read(json: Option<&[u8]>) -> Result<Self> {
        #[derive(Default, Deserialize)]
        struct File {
            /// In `processor_config.json`.
            image_processor: Option<Box<File>>,
            image_mean: Option<[f32; 3]>,
            image_std: Option<[f32; 3]>,
        }
        let file: File = json.map(parse).transpose()?.unwrap_or_default();
        let file = file
            .image_processor
            .map_or((file.image_mean, file.image_std), |inner| {
                (inner.image_mean, inner.image_std)
            });
        Ok(Self {
            mean: file.0.unwrap_or([0.5; 3]),
            std: file.1.unwrap_or([0.5; 3]),
        })
    }
}

fn prefixed(prefix: &str, entries: Vec<(&str, Value)>) -> Vec<(String, Value)> {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (format!("{prefix}{key}"), value))
        .collect()
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))
}

/// A part of the file; transformers takes its defaults where it is absent.
fn sub_config<T: DeserializeOwned + Default>(json: Option<Json>) -> Result<T> {
    match json {
        None | Some(Json::Null) => Ok(T::default()),
        Some(json) => serde_json::from_value(json).map_err(|error| damaged(error.to_string())),
    }
}

fn unlike(what: &str) -> Error {
    Error::Unsupported {
        what: shown(what),
        remedy: "choose a Gemma 3 or MedGemma model in F32, F16 or BF16".to_owned(),
    }
}

fn damaged(detail: String) -> Error {
    Error::Malformed {
        format: FORMAT,
        detail,
    }
}
