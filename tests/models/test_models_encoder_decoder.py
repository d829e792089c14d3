"""The encoder-decoder beside what all models promise: how the source counts, and tied embeddings."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tuner import models
from tuner.spec.sections import EncoderDecoderSpec

NUM_TOKENS, LENGTH, PADDING = 11, 7, 0
TOKENS = models.DataShape(input_shape=(LENGTH,), num_tokens=NUM_TOKENS, padding=PADDING)


def build(**fields: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    spec = EncoderDecoderSpec.model_validate({"width": 32} | fields)
    return models.build(spec, TOKENS, NUM_TOKENS, per_token=True)


def changed(x: torch.Tensor, place: int) -> torch.Tensor:
    """With another token of the source."""
    x = x.clone()
    x[:, 0, place] = x[:, 0, place] % (NUM_TOKENS - 1) + 1
    return x


def test_every_token_of_the_source_changes_every_output() -> None:
    model, x = build().eval(), torch.randint(1, NUM_TOKENS, (4, 2, LENGTH))
    outputs = model(x)
    for place in range(LENGTH):
        assert ((model(changed(x, place)) - outputs).abs().amax(dim=2) > 1e-7).all()


@pytest.mark.parametrize("positions", ["learned", "rotary", "sinusoidal"])
def test_the_order_of_the_source_counts(positions: str) -> None:
    model, x = build(positions=positions).eval(), torch.randint(1, NUM_TOKENS, (4, 2, LENGTH))
    turned = torch.stack([x[:, 0].flip(1), x[:, 1]], dim=1)
    assert not torch.allclose(model(x), model(turned), atol=1e-6)


def test_tied_embeddings_are_one_weight() -> None:
    tied, own = (build(tie_embeddings=is_tied) for is_tied in (True, False))
    num_tied, num_own = (sum(p.numel() for p in model.parameters()) for model in (tied, own))
    assert num_own - num_tied == 32 * NUM_TOKENS + NUM_TOKENS
