"""Activations and normalisations by the names of the experiment file."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from tuner.models.recomputing import is_second_pass

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}
_MAX_GROUPS = 8


class Stack(nn.Sequential):
    """A whole network that is a sequence of layers.

    torch compiles no frame of its own: of a bare `nn.Sequential` nothing would be compiled.
    """

    def forward(self, input: Tensor) -> Tensor:
        for layer in self:
            input = layer(input)
        return input


class BatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation in float32, whatever the precision of the weights.

    Half-precision running statistics would hardly move, and torch on CPUs refuses to mix them.
    """

    def forward(self, input: Tensor) -> Tensor:
        return _batch_norm(self, input)


class BatchNorm2d(nn.BatchNorm2d):
    """See `BatchNorm1d`. The weights begin at `scale`."""

    def __init__(self, channels: int, *, scale: float) -> None:
        super().__init__(channels)
        nn.init.constant_(self.weight, scale)

    def forward(self, input: Tensor) -> Tensor:
        return _batch_norm(self, input)


def normalise_in_float32(network: nn.Module) -> None:
    """Has the batch normalisation of a network that others wrote go on as that of this module."""
    for module in network.modules():
        if type(module) is nn.BatchNorm1d:
            module.__class__ = BatchNorm1d
        elif type(module) is nn.BatchNorm2d:
            module.__class__ = BatchNorm2d


class GroupNorm(nn.GroupNorm):
    """The weights begin at `scale`."""

    def __init__(self, groups: int, channels: int, *, scale: float) -> None:
        super().__init__(groups, channels)
        nn.init.constant_(self.weight, scale)


def activation(name: str) -> nn.Module:
    return _ACTIVATIONS[name]()


def normalise_features(name: str, width: int) -> list[nn.Module]:
    """The layer after a linear one of `width` outputs; nothing for "none"."""
    if name == "none":
        return []
    return [BatchNorm1d(width) if name == "batch" else nn.LayerNorm(width)]


def normalise_channels(name: str, channels: int, *, scale: float = 1.0) -> list[nn.Module]:
    """The layer after a convolution of `channels` outputs, beginning at `scale`; nothing for "none"."""
    if name == "none":
        return []
    if name == "batch":
        return [BatchNorm2d(channels, scale=scale)]
    return [GroupNorm(math.gcd(_MAX_GROUPS, channels), channels, scale=scale)]


def _batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    assert layer.momentum is not None
    running = (layer.running_mean, layer.running_var)
    if is_second_pass():
        running = (_copied(layer.running_mean), _copied(layer.running_var))
    normalised = functional.batch_norm(
        x.float(),
        *running,
        layer.weight.float(),
        layer.bias.float(),
        layer.training,
        layer.momentum,
        layer.eps,
    )
    return normalised.to(x.dtype)


def _copied(statistics: Tensor | None) -> Tensor | None:
    return None if statistics is None else statistics.clone()
