"""An encoder that reads a sequence, and a decoder that writes another one from it (Vaswani et al., 2017).

Both are pre-norm transformers of `tuner/models/blocks.py`, each with a norm of its own at the end, and share
embedding and positions. A token of the target sees those before it, and all of the source but its padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tuner.models import recomputing
from tuner.models.blocks import Block, CrossBlock, Embedding, Linear, are_seen, waves
from tuner.models.shapes import DataShape, row_lengths
from tuner.spec.sections import EncoderDecoderSpec


def build_encoder_decoder(spec: EncoderDecoderSpec, data: DataShape, num_outputs: int) -> nn.Module:
    """Tokens [rows, 2, length], of source and target, -> [rows, length, num_outputs]."""
    return _EncoderDecoder(spec, data, num_outputs)


class _EncoderDecoder(nn.Module):
    def __init__(self, spec: EncoderDecoderSpec, data: DataShape, num_outputs: int) -> None:
        super().__init__()
        assert data.num_tokens is not None, data
        assert data.padding is not None, data
        self._spec, self._padding = spec, data.padding
        self.embedding = Embedding(data.num_tokens, spec.width)
        is_learned = spec.positions == "learned"
        self.positions = Embedding(data.input_shape[0], spec.width) if is_learned else None
        self.dropout = nn.Dropout(spec.dropout)
        self.encoder = nn.ModuleList(Block(spec, is_causal=False) for _ in range(spec.depth))
        self.encoder_norm = nn.LayerNorm(spec.width)
        self.decoder = nn.ModuleList(CrossBlock(spec) for _ in range(spec.depth))
        self.decoder_norm = nn.LayerNorm(spec.width)
        self.head = Linear(spec.width, num_outputs, bias=not spec.tie_embeddings)
        if spec.tie_embeddings:
            assert num_outputs == data.num_tokens, (num_outputs, data)
            self.head.weight = self.embedding.weight

    def forward(self, rows: Tensor) -> Tensor:
        """See `build_encoder_decoder`; what a target's token gives tells the next one."""
        source, target = rows.unbind(dim=1)
        is_seen = are_seen(row_lengths(source, self._padding), source.shape[1])
        recompute = self._spec.checkpointing and self.training
        read = self._embed(source)
        for block in self.encoder:
            read = recomputing.run(block, read, is_seen, recompute=recompute)
        read = self.encoder_norm(read)
        x = self._embed(target)
        for block in self.decoder:
            x = recomputing.run(block, x, read, is_seen, recompute=recompute)
        outputs: Tensor = self.head(self.decoder_norm(x))
        return outputs

    def _embed(self, tokens: Tensor) -> Tensor:
        """[rows, length] -> [rows, length, width]."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x: Tensor = self.embedding(tokens)
        if self.positions is not None:
            x = x + self.positions(places)
        if self._spec.positions == "sinusoidal":
            x = x + waves(places, self._spec.width).to(x.dtype)
        return self.dropout(x)  # type: ignore[no-any-return]
