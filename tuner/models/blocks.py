"""The blocks of transformers: attention to oneself and to another sequence, and how places count.

Weights begin as in GPT-2 (Radford et al., 2019): N(0, 0.02^2), biases at zero, and what is added to the
residual stream smaller by the root of the number of additions. Positions are learned, rotary (Su et al.,
2021: pairs of queries and keys are turned by an angle that grows with the place), or the waves of Vaswani et
al. (2017), as large as learned ones begin. Angles are computed in float32, whatever the precision of the
weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tuner.models.layers import activation
from tuner.spec.sections import TransformerLayers

_STD = 0.02
_SLOWEST = 10_000.0


class Linear(nn.Linear):
    def __init__(self, num_inputs: int, num_outputs: int, *, std: float = _STD, bias: bool = True) -> None:
        super().__init__(num_inputs, num_outputs, bias=bias)
        nn.init.normal_(self.weight, std=std)
        if bias:
            nn.init.zeros_(self.bias)


class Embedding(nn.Embedding):
    def __init__(self, num_embeddings: int, width: int) -> None:
        super().__init__(num_embeddings, width)
        nn.init.normal_(self.weight, std=_STD)


class Block(nn.Module):
    """Attention, then two linear layers, each behind a norm and added to the stream [rows, length, width]."""

    additions = 2

    def __init__(self, spec: TransformerLayers, *, is_causal: bool) -> None:
        super().__init__()
        std = _STD / math.sqrt(spec.depth * self.additions)
        self.attention_norm = nn.LayerNorm(spec.width)
        self.attention = _Attention(spec, std, is_causal=is_causal)
        self.feedforward_norm = nn.LayerNorm(spec.width)
        self.feedforward = nn.Sequential(
            Linear(spec.width, spec.feedforward * spec.width),
            activation(spec.activation),
            Linear(spec.feedforward * spec.width, spec.width, std=std),
        )
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, x: Tensor, is_seen: Tensor | None) -> Tensor:
        """`is_seen` as `are_seen` gives it; None: all are."""
        x = x + self.dropout(self.attention(self.attention_norm(x), is_seen))
        x = x + self.dropout(self.feedforward(self.feedforward_norm(x)))
        return x


class CrossBlock(Block):
    """A causal block that also looks at another sequence, between its attention and its linear layers."""

    additions = 3

    def __init__(self, spec: TransformerLayers) -> None:
        super().__init__(spec, is_causal=True)
        self.cross_norm = nn.LayerNorm(spec.width)
        self.cross = _CrossAttention(spec, _STD / math.sqrt(spec.depth * self.additions))

    def forward(self, x: Tensor, other: Tensor, is_seen: Tensor | None) -> Tensor:  # type: ignore[override]
        """`other` [rows, its length, width]; `is_seen` of its tokens."""
        x = x + self.dropout(self.attention(self.attention_norm(x), None))
        x = x + self.dropout(self.cross(self.cross_norm(x), other, is_seen))
        x = x + self.dropout(self.feedforward(self.feedforward_norm(x)))
        return x


class _Attention(nn.Module):
    """Of `heads` heads, by torch's fused kernels."""

    def __init__(self, spec: TransformerLayers, std: float, *, is_causal: bool) -> None:
        super().__init__()
        self._heads, self._dropout = spec.heads, spec.dropout
        self._is_causal, self._is_rotary = is_causal, spec.positions == "rotary"
        self.inputs = Linear(spec.width, 3 * spec.width)
        self.output = Linear(spec.width, spec.width, std=std)

    def forward(self, x: Tensor, is_seen: Tensor | None) -> Tensor:
        """`x` [rows, length, width]."""
        queries, keys, values = _in_heads(self.inputs(x), 3, self._heads)
        if self._is_rotary:
            queries, keys = _rotated(queries), _rotated(keys)
        seen = functional.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=is_seen,
            dropout_p=self._dropout if self.training else 0.0,
            is_causal=self._is_causal,
        )
        outputs: Tensor = self.output(seen.transpose(1, 2).flatten(2))
        return outputs


class _CrossAttention(nn.Module):
    """Each place of one sequence looks at all of another; how far they are apart has no meaning there."""

    def __init__(self, spec: TransformerLayers, std: float) -> None:
        super().__init__()
        self._heads, self._dropout = spec.heads, spec.dropout
        self.queries = Linear(spec.width, spec.width)
        self.inputs = Linear(spec.width, 2 * spec.width)
        self.output = Linear(spec.width, spec.width, std=std)

    def forward(self, x: Tensor, other: Tensor, is_seen: Tensor | None) -> Tensor:
        (queries,) = _in_heads(self.queries(x), 1, self._heads)
        keys, values = _in_heads(self.inputs(other), 2, self._heads)
        dropout = self._dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=is_seen, dropout_p=dropout
        )
        outputs: Tensor = self.output(seen.transpose(1, 2).flatten(2))
        return outputs


def are_seen(lengths: Tensor, length: int) -> Tensor:
    """[rows] -> [rows, 1, 1, length]: the places before the padding, as attention takes them."""
    return (torch.arange(length, device=lengths.device) < lengths[:, None])[:, None, None, :]


def waves(places: Tensor, width: int) -> Tensor:
    """[length] -> [length, width]: sines, then cosines, of standard deviation 0.02."""
    angles = _angles(places, -(-width // 2))
    return math.sqrt(2) * _STD * torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]


def _in_heads(x: Tensor, num_parts: int, num_heads: int) -> Tensor:
    """[rows, length, num_parts * width] -> [num_parts, rows, heads, length, width of a head]."""
    rows, length, width = x.shape
    parts = x.view(rows, length, num_parts, num_heads, width // (num_parts * num_heads))
    return parts.permute(2, 0, 3, 1, 4)


def _angles(places: Tensor, num_pairs: int) -> Tensor:
    """[length] -> [length, num_pairs] in float32: of each pair of numbers at each place."""
    exponents = torch.arange(num_pairs, device=places.device) / num_pairs
    return places.float()[:, None] * _SLOWEST**-exponents


def _rotated(x: Tensor) -> Tensor:
    """[rows, heads, length, head width], where number i and i + half of a head are one pair."""
    angles = _angles(torch.arange(x.shape[2], device=x.device), x.shape[3] // 2)
    cos, sin = angles.cos(), angles.sin()
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1).to(x.dtype)
