"""Activations and normalisations by the names of the experiment file."""

from __future__ import annotations

import math

from torch import nn

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}
_MAX_GROUPS = 8


def activation(name: str) -> nn.Module:
    return _ACTIVATIONS[name]()


def normalise_features(name: str, width: int) -> list[nn.Module]:
    """The layer after a linear one of `width` outputs; nothing for "none"."""
    if name == "none":
        return []
    return [nn.BatchNorm1d(width) if name == "batch" else nn.LayerNorm(width)]


def normalise_channels(name: str, channels: int) -> list[nn.Module]:
    """The layer after a convolution of `channels` outputs; nothing for "none"."""
    if name == "none":
        return []
    groups = math.gcd(_MAX_GROUPS, channels)
    return [nn.BatchNorm2d(channels) if name == "batch" else nn.GroupNorm(groups, channels)]
