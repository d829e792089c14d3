"""`train`: optimizer, schedule, precision, augmentation and the rest of a training."""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from tuner.spec.domains import is_number, show
from tuner.spec.sections.base import Count, Fraction, Positive, Section, Seed, as_type, broken_rule


def _two_betas(value: Any) -> tuple[float, float]:
    is_pair = isinstance(value, list | tuple) and len(value) == 2
    if not is_pair or not all(is_number(beta) and 0 <= beta < 1 for beta in value):
        raise broken_rule(f"must be a list of two numbers in [0, 1); found {show(value)}")
    return float(value[0]), float(value[1])


Penalty = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Betas = Annotated[tuple[float, float], BeforeValidator(_two_betas)]


class Sgd(Section):
    type: Literal["sgd"] = "sgd"
    lr: Positive
    momentum: Fraction = 0.0
    nesterov: bool = False
    weight_decay: Penalty = 0.0

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> "Sgd":
        if self.nesterov and self.momentum == 0:
            raise broken_rule("with nesterov needs momentum > 0; found 0; raise it or drop nesterov")
        return self


class Adam(Section):
    type: Literal["adam"] = "adam"
    lr: Positive = 1e-3
    betas: Betas = (0.9, 0.999)
    weight_decay: Penalty = 0.0
    """added to the gradient, as an L2 penalty"""


class AdamW(Section):
    type: Literal["adamw"] = "adamw"
    lr: Positive = 1e-3
    betas: Betas = (0.9, 0.999)
    weight_decay: Penalty = 0.01
    """decoupled from the gradient (Loshchilov and Hutter, 2019)"""


Optimizer = Annotated[Sgd | Adam | AdamW, Field(discriminator="type")]


class Schedule(Section):
    """The learning rate over the steps of a full training: a linear warm-up, then `type`."""

    type: Literal["constant", "cosine", "linear"] = "constant"
    warmup: Fraction = 0.0
    """share of all steps, [0, 1)"""
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """the rate at the end as a share of `lr`, [0, 1]; a constant schedule does not use it"""


class FullShuffle(Section):
    """Any row may come at any place of an epoch."""

    type: Literal["full"] = "full"


class BlockShuffle(Section):
    """Blocks of neighbouring rows come in random order; the rows of some of them at a time are mixed."""

    type: Literal["block"] = "block"
    block_mb: Positive = 64.0
    """megabytes of prepared features in a block, as they are stored"""
    window: Count = 8
    """blocks whose rows are mixed"""


Shuffle = Annotated[FullShuffle | BlockShuffle, Field(discriminator="type")]


class Zero(Section):
    """What of the training state is split over the ranks (ZeRO; Rajbhandari et al., 2020)."""

    stage: Annotated[int, Field(ge=0, le=3)] = 0
    """0 nothing, 1 optimizer state, 2 gradients too, 3 weights too"""
    offload: Literal["none", "cpu"] = "none"
    """where the optimizer state lives: with the weights, or in the host's memory"""


class EarlyStop(Section):
    """A trial ends itself when its metric has not improved for a while."""

    patience: Count
    """reports without an improvement"""
    min_delta: Penalty = 0.0
    """what counts as an improvement, in the metric's unit"""


class AugmentSpec(Section):
    """How training rows are changed at random, anew in each epoch; 0: not. Values are in the unit of the
    prepared rows: standard deviations, of which 0 is the mean, unless `data.standardise` is false.
    """

    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """degrees about the centre, at most, either way"""
    scale: Fraction = 0.0
    """images get 1 - scale to 1 + scale times as large"""
    translate: Fraction = 0.0
    """share of each side that images are moved by, at most, either way"""
    flip: Share = 0.0
    """probability that left and right are exchanged"""
    crop: Fraction = 0.0
    """of each side of an image up to this share is cut off, and the rest made as large as the whole was: a
    random resized crop (Szegedy et al., 2015)"""
    brightness: Penalty = 0.0
    """what is added to an image, at most, or subtracted"""
    contrast: Fraction = 0.0
    """the values of an image are multiplied by 1 - contrast to 1 + contrast"""
    saturation: Share = 0.0
    """of an RGB image: how far pixels are from grey is multiplied by 1 - saturation to 1 + saturation"""
    hue: Annotated[float, Field(ge=0, le=180)] = 0.0
    """of an RGB image: degrees by which colours turn about grey, at most, either way; 120 make red green"""
    noise: Penalty = 0.0
    """standard deviation of Gaussian noise, drawn for each value"""
    cutout: Fraction = 0.0
    """share of each side of a rectangle that becomes 0 (DeVries and Taylor, 2017)"""
    time_mask: Fraction = 0.0
    """of a spectrogram: share of the columns that become 0, at most (Park et al., 2019)"""
    frequency_mask: Fraction = 0.0
    """of a spectrogram: share of the rows that become 0, at most (Park et al., 2019)"""
    mixup: Penalty = 0.0
    """alpha: rows and targets are mixed in pairs, by shares from Beta(alpha, alpha) (Zhang et al., 2018)"""
    token_dropout: Fraction = 0.0
    """share of the tokens that are left out; in language modelling, that become the unused token 0"""


class TrainSpec(Section):
    epochs: Count
    batch_size: Count = 64
    """rows a step over all ranks: micro_batch x accumulation x ranks"""
    micro_batch: Count | None = None
    """rows a forward pass of one rank; None: batch_size / workers"""
    optimizer: Optimizer = Adam()
    schedule: Annotated[Schedule, BeforeValidator(as_type)] = Schedule()
    """also the bare name of its type"""
    shuffle: Annotated[Shuffle, BeforeValidator(as_type)] = FullShuffle()
    """also the bare name of its type"""
    loss: Literal["auto", "cross_entropy", "bce", "mse", "huber"] = "auto"
    """auto: cross-entropy for classification, squared error for regression"""
    label_smoothing: Fraction = 0.0
    l1: Penalty = 0.0
    """factor of the sum of absolute weights that is added to the loss"""
    l2: Penalty = 0.0
    """factor of the sum of squared weights that is added to the loss"""
    gradient_clip: Positive | None = None
    """largest global L2 norm of the gradient"""
    augment: AugmentSpec = AugmentSpec()
    """of training rows only, and only as they are read: the prepared data stays the same"""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    zero: Zero = Zero()
    compile: bool = False
    """have torch compile the model (torch.compile), at the first step of a trial; needs a C++ compiler"""
    early_stop: EarlyStop | None = None
    validate_every: Count = 1
    """epochs between two validations, each of which is a report; the last epoch always validates"""
    seed: Seed = 0

    @property
    def num_reports(self) -> int:
        """Reports of a full training."""
        return -(-self.epochs // self.validate_every)
