"""Transformers over tokens (Vaswani et al., 2017), pre-norm as in GPT-2 (Radford et al., 2019).

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
from tuner.models.shapes import DataShape, row_lengths, vocabulary
from tuner.spec.sections import TransformerSpec

_STD = 0.02
_SLOWEST = 10_000.0
_ADDITIONS_PER_BLOCK = 2


def build_transformer(
    spec: TransformerSpec, data: DataShape, num_outputs: int, *, per_token: bool
) -> nn.Module:
    """[rows, length] -> [rows, num_outputs], or [rows, length, num_outputs] with `per_token`."""
    return _Transformer(spec, data, num_outputs, per_token=per_token)


class _Transformer(nn.Module):
    def __init__(self, spec: TransformerSpec, data: DataShape, num_outputs: int, *, per_token: bool) -> None:
        super().__init__()
        self._spec, self._padding, self._per_token = spec, data.padding, per_token
        self.embedding = nn.Embedding(vocabulary(data, spec.type), spec.width)
        is_learned = spec.positions == "learned"
        self.positions = nn.Embedding(data.input_shape[0], spec.width) if is_learned else None
        self.dropout = nn.Dropout(spec.dropout)
        self.blocks = nn.ModuleList(_Block(spec) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width)
        self.head = nn.Linear(spec.width, num_outputs, bias=not spec.tie_embeddings)
        self.apply(_init)
        for block in self.blocks:
            assert isinstance(block, _Block)
            block.shrink_additions(spec.depth * _ADDITIONS_PER_BLOCK)
        if spec.tie_embeddings:
            assert per_token, "the experiment was checked: only language models tie their embeddings"
            assert self.head.weight.shape == self.embedding.weight.shape, (num_outputs, data)
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """[rows, length] -> [rows, num_outputs], or [rows, length, num_outputs]."""
        lengths = None if self._padding is None else row_lengths(tokens, self._padding)
        places = torch.arange(tokens.shape[1], device=tokens.device)
        is_seen = None
        if lengths is not None and self._spec.kind == "encoder":
            is_seen = (places < lengths[:, None])[:, None, None, :]
        x = self.dropout(self._embed(tokens, places))
        for block in self.blocks:
            x = recomputing.run(block, x, is_seen, recompute=self._spec.checkpointing and self.training)
        x = self.norm(x)
        outputs: Tensor = self.head(x if self._per_token else self._pool(x, lengths))
        return outputs

    def _embed(self, tokens: Tensor, places: Tensor) -> Tensor:
        """[rows, length] -> [rows, length, width]."""
        x: Tensor = self.embedding(tokens)
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
            nn.Linear(spec.width, spec.feedforward * spec.width),
            activation(spec.activation),
            nn.Linear(spec.feedforward * spec.width, spec.width),
        )
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, x: Tensor, is_seen: Tensor | None) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), is_seen))
        x = x + self.dropout(self.feedforward(self.feedforward_norm(x)))
        return x

    def shrink_additions(self, num_additions: int) -> None:
        for layer in (self.attention.output, self.feedforward[-1]):
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=_STD / math.sqrt(num_additions))


class _Attention(nn.Module):
    """Of `heads` heads, by torch's fused kernels; causal in a decoder."""

    def __init__(self, spec: TransformerSpec) -> None:
        super().__init__()
        self._heads, self._dropout = spec.heads, spec.dropout
        self._is_causal, self._is_rotary = spec.kind == "decoder", spec.positions == "rotary"
        self.inputs = nn.Linear(spec.width, 3 * spec.width)
        self.output = nn.Linear(spec.width, spec.width)

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


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
