"""Transformers over sequences (Vaswani et al., 2017), pre-norm as in GPT-2 (Radford et al., 2019).

Tokens are looked up in the embedding, steps of numbers go through a linear layer.

The weights begin as in GPT-2: N(0, 0.02^2), biases at zero, and what is added to the residual stream smaller
by the root of the number of additions. Positions are learned, rotary (Su et al., 2021: pairs of queries and
keys are turned by an angle that grows with the place), or the waves of Vaswani et al., as large as learned
ones begin. Angles are computed in float32, whatever the precision of the weights.

A decoder needs no mask for padding: it stands at the end, where no token before it looks. One output a row is
an encoder's mean over the tokens before the padding, or what a decoder gives at the last of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tuner.models import recomputing
from tuner.models.layers import activation
from tuner.models.shapes import DataShape, row_lengths, steps
from tuner.spec.sections import TransformerSpec

_STD = 0.02
_SLOWEST = 10_000.0
_ADDITIONS_PER_BLOCK = 2


def build_transformer(
    spec: TransformerSpec, data: DataShape, num_outputs: int, *, per_token: bool
) -> nn.Module:
    """[rows, *data.input_shape] -> [rows, num_outputs], or [rows, length, num_outputs] with `per_token`."""
    return _Transformer(spec, data, num_outputs, per_token=per_token)


class _Transformer(nn.Module):
    def __init__(self, spec: TransformerSpec, data: DataShape, num_outputs: int, *, per_token: bool) -> None:
        super().__init__()
        self._spec, self._padding, self._per_token = spec, data.padding, per_token
        self.embedding = _embedding(spec, data)
        is_learned = spec.positions == "learned"
        self.positions = _Embedding(data.input_shape[0], spec.width) if is_learned else None
        self.dropout = nn.Dropout(spec.dropout)
        self.blocks = nn.ModuleList(_Block(spec) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width)
        self.head = _Linear(spec.width, num_outputs, bias=not spec.tie_embeddings)
        if spec.tie_embeddings:
            assert per_token, "the experiment was checked: only language models tie their embeddings"
            assert isinstance(self.embedding, _Embedding)
            assert num_outputs == data.num_tokens, (num_outputs, data)
            self.head.weight = self.embedding.weight

    def forward(self, rows: Tensor) -> Tensor:
        """Tokens [rows, length], numbers [rows, length, features] or images; see `build_transformer`."""
        rows = steps(rows)
        lengths = None if self._padding is None else row_lengths(rows, self._padding)
        places = torch.arange(rows.shape[1], device=rows.device)
        is_seen = None
        if lengths is not None and self._spec.kind == "encoder":
            is_seen = (places < lengths[:, None])[:, None, None, :]
        x = self.dropout(self._embed(rows, places))
        for block in self.blocks:
            x = recomputing.run(block, x, is_seen, recompute=self._spec.checkpointing and self.training)
        x = self.norm(x)
        outputs: Tensor = self.head(x if self._per_token else self._pool(x, lengths))
        return outputs

    def _embed(self, rows: Tensor, places: Tensor) -> Tensor:
        """-> [rows, length, width]."""
        x: Tensor = self.embedding(rows)
        if self.positions is not None:
            x = x + self.positions(places)
        if self._spec.positions == "sinusoidal":
            x = x + _waves(places, self._spec.width).to(x.dtype)
        return x

    def _pool(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """[rows, length, width] -> [rows, width]."""
        if self._spec.kind == "decoder":
            rows = torch.arange(len(x), device=x.device)
            return x[:, -1] if lengths is None else x[rows, lengths - 1]
        if lengths is None:
            return x.mean(dim=1)
        is_token = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        return x.masked_fill(~is_token[:, :, None], 0).sum(dim=1) / lengths[:, None].to(x.dtype)


class _Block(nn.Module):
    """Attention, then two linear layers, each behind a norm and added to the stream [rows, length, width]."""

    def __init__(self, spec: TransformerSpec) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(spec.width)
        self.attention = _Attention(spec)
        self.feedforward_norm = nn.LayerNorm(spec.width)
        self.feedforward = nn.Sequential(
            _Linear(spec.width, spec.feedforward * spec.width),
            activation(spec.activation),
            _Linear(spec.feedforward * spec.width, spec.width, std=_std_of_additions(spec)),
        )
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, x: Tensor, is_seen: Tensor | None) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), is_seen))
        x = x + self.dropout(self.feedforward(self.feedforward_norm(x)))
        return x


class _Attention(nn.Module):
    """Of `heads` heads, by torch's fused kernels; causal in a decoder."""

    def __init__(self, spec: TransformerSpec) -> None:
        super().__init__()
        self._heads, self._dropout = spec.heads, spec.dropout
        self._is_causal, self._is_rotary = spec.kind == "decoder", spec.positions == "rotary"
        self.inputs = _Linear(spec.width, 3 * spec.width)
        self.output = _Linear(spec.width, spec.width, std=_std_of_additions(spec))

    def forward(self, x: Tensor, is_seen: Tensor | None) -> Tensor:
        """`x` [rows, length, width]; `is_seen` [rows, 1, 1, length], None: all are."""
        rows, length, width = x.shape
        inputs = self.inputs(x).view(rows, length, 3, self._heads, width // self._heads)
        queries, keys, values = inputs.permute(2, 0, 3, 1, 4)
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
        outputs: Tensor = self.output(seen.transpose(1, 2).reshape(rows, length, width))
        return outputs


class _Linear(nn.Linear):
    def __init__(self, num_inputs: int, num_outputs: int, *, std: float = _STD, bias: bool = True) -> None:
        super().__init__(num_inputs, num_outputs, bias=bias)
        nn.init.normal_(self.weight, std=std)
        if bias:
            nn.init.zeros_(self.bias)


class _Embedding(nn.Embedding):
    def __init__(self, num_embeddings: int, width: int) -> None:
        super().__init__(num_embeddings, width)
        nn.init.normal_(self.weight, std=_STD)


def _embedding(spec: TransformerSpec, data: DataShape) -> nn.Module:
    if data.num_tokens is None:
        return _Linear(data.input_shape[1], spec.width)
    return _Embedding(data.num_tokens, spec.width)


def _std_of_additions(spec: TransformerSpec) -> float:
    return _STD / math.sqrt(spec.depth * _ADDITIONS_PER_BLOCK)


def _angles(places: Tensor, num_pairs: int) -> Tensor:
    """[length] -> [length, num_pairs] in float32: of each pair of numbers at each place."""
    exponents = torch.arange(num_pairs, device=places.device) / num_pairs
    return places.float()[:, None] * _SLOWEST**-exponents


def _waves(places: Tensor, width: int) -> Tensor:
    """[length] -> [length, width]: sines, then cosines, of standard deviation 0.02."""
    angles = _angles(places, -(-width // 2))
    return math.sqrt(2) * _STD * torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]


def _rotated(x: Tensor) -> Tensor:
    """[rows, heads, length, head width], where number i and i + half of a head are one pair."""
    angles = _angles(torch.arange(x.shape[2], device=x.device), x.shape[3] // 2)
    cos, sin = angles.cos(), angles.sin()
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1).to(x.dtype)
