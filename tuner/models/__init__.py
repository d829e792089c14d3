"""The networks that an experiment can name: one file a model, `build` finds it by the section's type.

Weights are torch's default initialisation, so `torch.manual_seed` decides them.
"""

from __future__ import annotations

from torch import nn

from tuner.models.cnn import build_cnn
from tuner.models.mlp import build_mlp
from tuner.spec.sections import CnnSpec, ModelSpec

__all__ = ["build"]


def build(spec: ModelSpec, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """A module from [rows, *input_shape] to [rows, num_outputs]; ExperimentError when they do not fit."""
    if isinstance(spec, CnnSpec):
        return build_cnn(spec, input_shape, num_outputs)
    return build_mlp(spec, input_shape, num_outputs)
