"""Recurrent networks over sequences: an embedding, `depth` layers, and the mean, maximum or last of a row.

Tokens are looked up in the embedding, steps of numbers go through a linear layer.

The layers are torch's, one at a time: cuDNN's own dropout between layers draws from a state that no
checkpoint holds. Rows with padding are packed, so that no step is made over it, in either direction.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from tuner.models.shapes import DataShape, row_lengths, steps
from tuner.spec.sections import RnnSpec

_CELLS: dict[str, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {
    "rnn": nn.RNN,
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}


def build_rnn(spec: RnnSpec, data: DataShape, num_outputs: int, *, per_token: bool) -> nn.Module:
    """[rows, *data.input_shape] -> [rows, num_outputs], or [rows, length, num_outputs] with `per_token`."""
    return _Rnn(spec, data, num_outputs, per_token=per_token)


class _Hidden(NamedTuple):
    """What the last layer gives; `directions` is 1 or 2."""

    steps: Tensor
    """[rows, length, width * directions], zeros at padding"""
    last: Tensor
    """[rows, width * directions]: of each direction where it ended"""


class _Rnn(nn.Module):
    def __init__(self, spec: RnnSpec, data: DataShape, num_outputs: int, *, per_token: bool) -> None:
        super().__init__()
        self._padding, self._pooling, self._per_token = data.padding, spec.pooling, per_token
        num_features = spec.width * (2 if spec.bidirectional else 1)
        widths = [spec.embedding, *[num_features] * (spec.depth - 1)]
        cell = _CELLS[spec.cell]
        self.embedding = _embedding(spec, data)
        self.layers = nn.ModuleList(
            cell(width, spec.width, batch_first=True, bidirectional=spec.bidirectional) for width in widths
        )
        self.dropout = nn.Dropout(spec.dropout)
        self.head = nn.Linear(num_features, num_outputs)

    def forward(self, rows: Tensor) -> Tensor:
        """Tokens [rows, length], numbers [rows, length, features] or images; see `build_rnn`."""
        if not len(rows):
            # Recurrent layers refuse it, but under ZeRO stage 3 every rank must go through every layer.
            return self.forward(rows.new_zeros(1, *rows.shape[1:]))[:0]
        rows = steps(rows)
        lengths = None if self._padding is None else row_lengths(rows, self._padding)
        hidden = self._hidden(self.embedding(rows), lengths)
        pooled = hidden.steps if self._per_token else self._pool(hidden, lengths)
        outputs: Tensor = self.head(self.dropout(pooled))
        return outputs

    def _hidden(self, x: Tensor, lengths: Tensor | None) -> _Hidden:
        """`x` [rows, length, embedding]."""
        if lengths is None:
            for layer in self.layers:
                x, state = layer(self.dropout(x))
            return _Hidden(x, _last(state))
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        for layer in self.layers:
            packed, state = layer(_map(self.dropout, packed))
        steps, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        return _Hidden(steps, _last(state))

    def _pool(self, hidden: _Hidden, lengths: Tensor | None) -> Tensor:
        steps = hidden.steps
        if self._pooling == "last":
            return hidden.last
        if self._pooling == "mean":
            return (
                steps.mean(dim=1) if lengths is None else steps.sum(dim=1) / lengths[:, None].to(steps.dtype)
            )
        if lengths is not None:
            is_padding = torch.arange(steps.shape[1], device=steps.device) >= lengths[:, None]
            steps = steps.masked_fill(is_padding[:, :, None], -torch.inf)
        return steps.amax(dim=1)


def _embedding(spec: RnnSpec, data: DataShape) -> nn.Module:
    if data.num_tokens is None:
        return nn.Linear(data.input_shape[1], spec.embedding)
    return nn.Embedding(data.num_tokens, spec.embedding)


def _map(dropout: nn.Module, packed: PackedSequence) -> PackedSequence:
    return PackedSequence(
        dropout(packed.data), packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
    )


def _last(state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """Of a layer's last state (of an LSTM: without its memory), [directions, rows, width], side by side."""
    hidden = state[0] if isinstance(state, tuple) else state
    return hidden.transpose(0, 1).flatten(1)
