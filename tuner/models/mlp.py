"""A multi-layer perceptron: `depth` hidden layers of `width`, each linear - norm - activation - dropout."""

from __future__ import annotations

import math

from torch import nn

from tuner.models.layers import Stack, activation, normalise_features
from tuner.spec.sections import MlpSpec


def build_mlp(spec: MlpSpec, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """[rows, *input_shape] -> [rows, num_outputs]; images are flattened."""
    layers: list[nn.Module] = [nn.Flatten()]
    width = math.prod(input_shape)
    for _ in range(spec.depth):
        layers += [nn.Linear(width, spec.width), *normalise_features(spec.normalisation, spec.width)]
        layers += [activation(spec.activation), nn.Dropout(spec.dropout)]
        width = spec.width
    return Stack(*layers, nn.Linear(width, num_outputs))
