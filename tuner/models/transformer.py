"""Transformers over sequences (Vaswani et al., 2017), pre-norm as in GPT-2 (Radford et al., 2019).

Tokens are looked up in the embedding, steps of numbers go through a linear layer.

Its blocks, weights and positions are those of `tuner/models/blocks.py`.

A decoder needs no mask for padding: it stands at the end, where no token before it looks. One output a row is
an encoder's mean over the tokens before the padding, or what a decoder gives at the last of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tuner.models import recomputing
from tuner.models.blocks import Block, Embedding, Linear, are_seen, waves
from tuner.models.shapes import DataShape, row_lengths, steps
from tuner.spec.sections import TransformerSpec


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
        self.positions = Embedding(data.input_shape[0], spec.width) if is_learned else None
        self.dropout = nn.Dropout(spec.dropout)
        self.blocks = nn.ModuleList(Block(spec, is_causal=spec.kind == "decoder") for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width)
        self.head = Linear(spec.width, num_outputs, bias=not spec.tie_embeddings)
        if spec.tie_embeddings:
            assert per_token, "the experiment was checked: only language models tie their embeddings"
            assert isinstance(self.embedding, Embedding)
            assert num_outputs == data.num_tokens, (num_outputs, data)
            self.head.weight = self.embedding.weight

    def forward(self, rows: Tensor) -> Tensor:
        """Tokens [rows, length], numbers [rows, length, features] or images; see `build_transformer`."""
        rows = steps(rows)
        lengths = None if self._padding is None else row_lengths(rows, self._padding)
        places = torch.arange(rows.shape[1], device=rows.device)
        is_seen = None
        if lengths is not None and self._spec.kind == "encoder":
            is_seen = are_seen(lengths, rows.shape[1])
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
            x = x + waves(places, self._spec.width).to(x.dtype)
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


def _embedding(spec: TransformerSpec, data: DataShape) -> nn.Module:
    if data.num_tokens is None:
        return Linear(data.input_shape[1], spec.width)
    return Embedding(data.num_tokens, spec.width)
