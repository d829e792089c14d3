"""`model`: the kinds of networks."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from tuner.spec.domains import is_number, show
from tuner.spec.sections.base import AnyPath, Count, Fraction, Positive, Section, as_type, broken_rule


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise broken_rule(f"must be odd; found {value}; use {value + 1}")
    return value


def _all_or_layers(value: Any) -> Any:
    if value != "all" and not (is_number(value) and value >= 0 and value == int(value)):
        raise broken_rule(f"must be 'all' or a whole number of layers; found {show(value)}")
    return value


def _all_or_names(value: Any) -> Any:
    is_list = isinstance(value, list) and value and all(isinstance(name, str) for name in value)
    if value != "all" and not is_list:
        raise broken_rule(f"must be 'all' or a list of names of linear layers; found {show(value)}")
    return value


Activation = Literal["relu", "gelu", "tanh", "silu", "leaky_relu"]


class MlpSpec(Section):
    """Fully connected network: `depth` hidden layers of `width` units."""

    type: Literal["mlp"] = "mlp"
    width: Count = 64
    depth: Count = 2
    activation: Activation = "relu"
    dropout: Fraction = 0.0
    """share of the units that are zeroed in training, [0, 1)"""
    normalisation: Literal["none", "batch", "layer"] = "none"


class CnnSpec(Section):
    """Convolutional network: `depth` blocks, the first with `channels` channels."""

    type: Literal["cnn"] = "cnn"
    channels: Count = 32
    depth: Count = 2
    kernel_size: Annotated[int, Field(ge=1), AfterValidator(_odd)] = 3
    """pixels, odd"""
    activation: Activation = "relu"
    dropout: Fraction = 0.0
    """share of the units that are zeroed in training, [0, 1)"""
    normalisation: Literal["none", "batch", "group"] = "none"


class ResnetSpec(Section):
    """Residual network (He et al., 2016) of `depth` layers with weights."""

    type: Literal["resnet"] = "resnet"
    depth: Literal[10, 18, 34, 50] = 18
    """10, 18 and 34 of blocks with two convolutions, 50 of bottlenecks with three"""
    channels: Count = 64
    """of the first of four stages, each of which has twice as many as the one before"""
    stem: Literal["small", "large"] = "small"
    """small: 3 x 3 pixels, for images up to about 64 pixels a side; large: 7 x 7, and a fourth of the side"""
    dropout: Fraction = 0.0
    """share of the features before the output layer that are zeroed in training, [0, 1)"""
    normalisation: Literal["batch", "group"] = "batch"
    checkpointing: bool = False
    """compute a block again in the backward pass instead of keeping its activations"""

    @property
    def min_side(self) -> int:
        """Pixels of the smaller side of an image, of which the last stage leaves one.

        Below that a stage would halve a single pixel, and the bf16 convolution of torch 2.13 on CPUs now and
        then gives NaN as the gradient of such weights.
        """
        return 32 if self.stem == "large" else 8


class RnnSpec(Section):
    """Recurrent network over a sequence: `depth` layers of `width` units a direction."""

    type: Literal["rnn"] = "rnn"
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    width: Count = 128
    depth: Count = 1
    bidirectional: bool = False
    """also from the end to the beginning; not for language modelling"""
    embedding: Count = 64
    """numbers that stand for a token, or a step of numbers"""
    dropout: Fraction = 0.0
    """share of the inputs of each layer that are zeroed in training, [0, 1)"""
    pooling: Literal["mean", "last", "max"] = "mean"
    """how the tokens of a row become one output; not used by language modelling, with an output a token"""


class TransformerLayers(Section):
    """What transformers share."""

    width: Count = 128
    """a multiple of `heads`"""
    depth: Count = 2
    heads: Count = 4
    feedforward: Count = 4
    """units between the two layers, as a multiple of `width`"""
    dropout: Fraction = 0.0
    """share of the embeddings, attention weights and outputs of layers that are zeroed in training, [0, 1)"""
    positions: Literal["learned", "rotary", "sinusoidal"] = "learned"
    """how a token's place counts: a weight, a rotation of queries and keys, or fixed waves"""
    activation: Activation = "gelu"
    tie_embeddings: bool = False
    """the output layer has the weights of the embedding; for language modelling and translation"""
    checkpointing: bool = False
    """compute a block again in the backward pass instead of keeping its activations"""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "TransformerLayers":
        if self.width % self.heads:
            multiple = -(-self.width // self.heads) * self.heads
            raise broken_rule(
                f"needs a width that is a multiple of heads; found width {self.width} with heads "
                f"{self.heads}; use width {multiple}"
            )
        head_width = self.width // self.heads
        if self.positions == "rotary" and head_width % 2:
            raise broken_rule(
                f"with positions rotary needs an even width / heads; found {self.width} / {self.heads} = "
                f"{head_width}; use width {self.width + self.heads}"
            )
        return self


class TransformerSpec(TransformerLayers):
    """Pre-norm transformer over a sequence: `depth` blocks of attention with `heads` heads and two layers."""

    type: Literal["transformer"] = "transformer"
    kind: Literal["encoder", "decoder"] = "encoder"
    """encoder: a token sees all others; decoder: only those before it, as language modelling needs"""

    @model_validator(mode="after")
    def _ties_in_decoders(self) -> "TransformerSpec":
        if self.tie_embeddings and self.kind != "decoder":
            raise broken_rule(
                f"with tie_embeddings needs kind decoder; found {self.kind}; change it or drop tie_embeddings"
            )
        return self


class EncoderDecoderSpec(TransformerLayers):
    """Pre-norm transformer from one sequence to another: `depth` blocks that read, and `depth` that write."""

    type: Literal["encoder_decoder"] = "encoder_decoder"


class FullTuning(Section):
    """All weights are trained."""

    type: Literal["full"] = "full"
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """learning rate of each layer, and of the embeddings, as a share of that of the layer above"""


class FrozenTuning(Section):
    """The embeddings and the first layers stay as they are."""

    type: Literal["frozen"] = "frozen"
    layers: Annotated[Literal["all"] | int, BeforeValidator(_all_or_layers)] = "all"
    """that stay; all: only what comes after the layers is trained"""


class LoraTuning(Section):
    """Low-rank adapters beside linear layers (Hu et al., 2021), and a classifier's head."""

    type: Literal["lora"] = "lora"
    rank: Count = 8
    alpha: Positive = 16.0
    """what an adapter adds is multiplied by alpha / rank"""
    dropout: Fraction = 0.0
    """share of an adapter's inputs that are zeroed in training, [0, 1)"""
    targets: Annotated[Literal["all"] | list[str], BeforeValidator(_all_or_names)] = "all"
    """names of the linear layers that get one, in the model's words; all: all in its layers"""


Tuning = Annotated[
    FullTuning | FrozenTuning | LoraTuning,
    BeforeValidator(as_type),
    Field(discriminator="type"),
]


class PretrainedSpec(Section):
    """A model of Hugging Face's transformers with its trained weights, which are read from safetensors."""

    type: Literal["pretrained"] = "pretrained"
    name: AnyPath
    """a folder, which begins with . or / or ~ (relative to the experiment file; in Python: to the working
    directory), or a name on the Hugging Face Hub"""
    tuning: Tuning = FullTuning()
    """also the bare name of its type"""


ModelSpec = Annotated[
    MlpSpec | CnnSpec | ResnetSpec | RnnSpec | TransformerSpec | EncoderDecoderSpec | PretrainedSpec,
    Field(discriminator="type"),
]
