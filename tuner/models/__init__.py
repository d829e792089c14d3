"""The networks that an experiment can name: one file a model, `build` finds it by the section's type.

Weights are drawn from torch's generator alone, so `torch.manual_seed` decides them. A module draws its own in
its constructor, and nobody touches them later: ZeRO stage 3 splits them over the ranks when that ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from tuner.models.cnn import build_cnn
from tuner.models.encoder_decoder import build_encoder_decoder
from tuner.models.mlp import build_mlp
from tuner.models.pretrained import (
    Pretrained,
    build_pretrained,
    check_pretrained,
    check_pretrained_images,
    check_pretrained_waves,
    read_config,
)
from tuner.models.resnet import build_resnet
from tuner.models.rnn import build_rnn
from tuner.models.shapes import DataShape, features, image, sequence
from tuner.models.transformer import build_transformer
from tuner.models.tuning import RateGroups
from tuner.spec.sections import (
    CnnSpec,
    EncoderDecoderSpec,
    MlpSpec,
    ModelSpec,
    PretrainedSpec,
    ResnetSpec,
    RnnSpec,
    TransformerSpec,
)

__all__ = [
    "DataShape",
    "build",
    "check_pretrained",
    "check_pretrained_images",
    "check_pretrained_waves",
    "rate_groups",
    "read_config",
]


def build(
    spec: ModelSpec,
    data: DataShape,
    num_outputs: int,
    *,
    per_token: bool = False,
    config: Mapping[str, Any] | None = None,
) -> nn.Module:
    """A module from [rows, *data.input_shape] to [rows, num_outputs].

    An encoder-decoder takes two rows at once, [rows, 2, *data.input_shape].

    Args:
        per_token: to [rows, length, num_outputs] instead; for models of sequences only.
        config: of a pretrained model, to build it without its weights: what `read_config` gave.

    Raises:
        ExperimentError: model and data do not fit, or a pretrained model is not there.
    """
    match spec:
        case MlpSpec():
            return build_mlp(spec, features(data, spec.type, per_token=per_token), num_outputs)
        case CnnSpec():
            return build_cnn(spec, image(data, spec.type, per_token=per_token), num_outputs)
        case ResnetSpec():
            return build_resnet(spec, image(data, spec.type, per_token=per_token), num_outputs)
        case RnnSpec():
            return build_rnn(spec, sequence(data, spec.type), num_outputs, per_token=per_token)
        case TransformerSpec():
            return build_transformer(spec, sequence(data, spec.type), num_outputs, per_token=per_token)
        case EncoderDecoderSpec():
            assert per_token, "the experiment was checked: it writes token by token"
            return build_encoder_decoder(spec, sequence(data, spec.type), num_outputs)
        case PretrainedSpec():
            if data.num_tokens is None and len(data.input_shape) != 1:
                image(data, spec.type, per_token=per_token)
            return build_pretrained(spec, data, num_outputs, per_token=per_token, config=config)


def rate_groups(model: nn.Module) -> RateGroups:
    """The weights that are trained, with their share of the learning rate; the largest share comes first."""
    if isinstance(model, Pretrained):
        return model.rate_groups()
    return [(1.0, list(model.parameters()))]
