"""The networks that an experiment can name: one file a model, `build` finds it by the section's type.

Weights are drawn from torch's generator alone, so `torch.manual_seed` decides them.
"""

from __future__ import annotations

from torch import nn

from tuner.models.cnn import build_cnn
from tuner.models.mlp import build_mlp
from tuner.models.shapes import DataShape, features, image
from tuner.spec.sections import CnnSpec, ModelSpec

__all__ = ["DataShape", "build"]


def build(spec: ModelSpec, data: DataShape, num_outputs: int, *, per_token: bool = False) -> nn.Module:
    """A module from [rows, *data.input_shape] to [rows, num_outputs].

    Args:
        per_token: to [rows, length, num_outputs] instead; for models of tokens only.

    Raises:
        ExperimentError: model and data do not fit.
    """
    if isinstance(spec, CnnSpec):
        return build_cnn(spec, image(data, spec.type, per_token=per_token), num_outputs)
    return build_mlp(spec, features(data, spec.type, per_token=per_token), num_outputs)
