"""The encoder-decoder: what each token sees, precisions, and a batch learned by heart."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tuner import models
from tuner.spec.sections import EncoderDecoderSpec

NUM_TOKENS, LENGTH, PADDING = 11, 7, 0
TOKENS = models.DataShape(input_shape=(LENGTH,), num_tokens=NUM_TOKENS, padding=PADDING)
POSITIONS = [{"positions": name} for name in ("learned", "rotary", "sinusoidal")]
KINDS: list[dict[str, Any]] = [*POSITIONS, {"tie_embeddings": True}, {"heads": 1, "depth": 3}]


def build(**fields: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    spec = EncoderDecoderSpec.model_validate({"width": 32} | fields)
    return models.build(spec, TOKENS, NUM_TOKENS, per_token=True)


def rows(num_rows: int = 8) -> torch.Tensor:
    """[rows, 2, LENGTH], with up to LENGTH - 1 padding tokens at the end of each source."""
    torch.manual_seed(1)
    tokens = torch.randint(1, NUM_TOKENS, (num_rows, 2, LENGTH))
    lengths = torch.arange(num_rows) % LENGTH + 1
    tokens[:, 0].masked_fill_(torch.arange(LENGTH) >= lengths[:, None], PADDING)
    return tokens


def changed(x: torch.Tensor, side: int, place: int) -> torch.Tensor:
    x = x.clone()
    x[:, side, place] = x[:, side, place] % (NUM_TOKENS - 1) + 1
    return x


def backward(loss: torch.Tensor) -> None:
    loss.backward()


@pytest.mark.parametrize("fields", KINDS, ids=str)
def test_a_batch_is_learned_by_heart(fields: dict[str, Any]) -> None:
    """The source backwards, of which the decoder sees what it has written."""
    model = build(**fields)
    source = torch.randint(1, NUM_TOKENS, (8, LENGTH))
    target = source.flip(1)
    x = torch.stack([source, torch.nn.functional.pad(target[:, :-1], (1, 0))], dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(100):
        loss = torch.nn.functional.cross_entropy(model(x).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        backward(loss)
        optimizer.step()
    assert model(x).shape == (8, LENGTH, NUM_TOKENS)
    assert loss.item() < 0.3


@pytest.mark.parametrize("fields", POSITIONS, ids=str)
def test_a_later_token_of_the_target_changes_no_earlier_output(fields: dict[str, Any]) -> None:
    model, x = build(**fields).eval(), rows()
    outputs = model(x)
    for place in range(LENGTH):
        differs = (model(changed(x, 1, place)) - outputs).abs().amax(dim=(0, 2)) > 1e-6
        assert not differs[:place].any()
        assert differs[place:].all()


def test_every_token_of_the_source_changes_every_output() -> None:
    model, x = build().eval(), torch.randint(1, NUM_TOKENS, (4, 2, LENGTH))
    outputs = model(x)
    for place in range(LENGTH):
        assert ((model(changed(x, 0, place)) - outputs).abs().amax(dim=2) > 1e-7).all()


@pytest.mark.parametrize("fields", POSITIONS, ids=str)
def test_padding_and_the_order_of_the_source(fields: dict[str, Any]) -> None:
    """Padding has no influence on what a row gives, the order of its tokens has."""
    model, x = build(**fields).eval(), rows()
    outputs = model(x)
    for row, output in zip(x, outputs, strict=True):
        length = int((row[0] != PADDING).sum())
        width = max(length, 3)
        assert torch.allclose(model(row[None, :, :width])[0], output[:width], atol=1e-5)
    full = torch.randint(1, NUM_TOKENS, (4, 2, LENGTH))
    turned = torch.stack([full[:, 0].flip(1), full[:, 1]], dim=1)
    assert not torch.allclose(model(full), model(turned), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("fields", KINDS, ids=str)
def test_precisions(fields: dict[str, Any], dtype: torch.dtype) -> None:
    model, x = build(**fields).to(dtype), rows()
    outputs = model(x)
    assert outputs.dtype == dtype
    backward(outputs.float().square().sum())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_dropout_acts_in_training_only() -> None:
    model, x = build(dropout=0.5), rows()
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_no_rows_give_no_outputs() -> None:
    assert build().eval()(rows(0)).shape == (0, LENGTH, NUM_TOKENS)


def test_tied_embeddings_are_one_weight() -> None:
    tied, own = (build(tie_embeddings=is_tied) for is_tied in (True, False))
    num_tied, num_own = (sum(p.numel() for p in model.parameters()) for model in (tied, own))
    assert num_own - num_tied == 32 * NUM_TOKENS + NUM_TOKENS


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_checkpointing_changes_nothing(dropout: float) -> None:
    kept, again = (build(dropout=dropout, checkpointing=recompute) for recompute in (False, True))
    for model in (kept, again):
        torch.manual_seed(2)
        backward(model(rows()).square().sum())
    for one, other in zip(kept.parameters(), again.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)


def test_a_compiled_model_gives_the_same() -> None:
    torch.compiler.reset()
    counts = torch._dynamo.utils.counters
    counts.clear()
    eager, compiled = build(), build()
    compiled.compile(backend="aot_eager")
    for model in (eager, compiled):
        backward(model(rows()).square().sum())
    for one, other in zip(eager.parameters(), compiled.parameters(), strict=True):
        assert one.grad is not None
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-5)
    assert counts["frames"]["ok"] > 0
    assert not counts["graph_break"]
