"""What single models do beside what all promise (`test_models_contract.py`), and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from tuner import models
from tuner.errors import ExperimentError
from tuner.spec.sections import ModelSpec

NUM_TOKENS, LENGTH, PADDING = 11, 7, 0
IMAGES = models.DataShape(input_shape=(1, 8, 8))
TOKENS = models.DataShape(input_shape=(LENGTH,), num_tokens=NUM_TOKENS, padding=PADDING)
STEPS = models.DataShape(input_shape=(LENGTH, 5))
FULL_TOKENS = models.DataShape(input_shape=(LENGTH,), num_tokens=NUM_TOKENS)
RESNET = {"type": "resnet", "depth": 10, "channels": 8}
RNN = {"type": "rnn", "width": 24, "embedding": 16}
ENCODER = {"type": "transformer", "width": 32}
DECODER = ENCODER | {"kind": "decoder"}


def build(
    fields: dict[str, Any],
    data: models.DataShape = TOKENS,
    num_outputs: int = 3,
    *,
    per_token: bool = False,
) -> torch.nn.Module:
    torch.manual_seed(0)
    spec: ModelSpec = TypeAdapter(ModelSpec).validate_python(fields)
    return models.build(spec, data, num_outputs, per_token=per_token)


def losses_of(
    model: torch.nn.Module, x: torch.Tensor, targets: torch.Tensor, lr: float = 0.01, num_steps: int = 60
) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    for _ in range(num_steps):
        outputs = model(x)
        loss = torch.nn.functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


CNNS = [{"type": "cnn", "depth": depth, "channels": 4} for depth in (1, 3)]


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        *((fields, shape) for fields in CNNS for shape in [(1, 1, 1), (3, 5, 9), (1, 28, 28), (3, 64, 48)]),
        *((RESNET, shape) for shape in [(1, 8, 8), (3, 9, 64), (1, 28, 28)]),
        *((RESNET | {"stem": "large"}, shape) for shape in [(1, 32, 32), (3, 64, 48)]),
    ],
    ids=str,
)
def test_any_image(fields: dict[str, Any], shape: tuple[int, ...]) -> None:
    model = build(fields, models.DataShape(input_shape=shape)).eval()
    assert model(torch.randn(2, *shape)).shape == (2, 3)


@pytest.mark.parametrize(("depth", "num_parameters"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)])
def test_resnet_has_the_usual_size(depth: int, num_parameters: int) -> None:
    """The sizes of the networks of the paper for ImageNet, as torchvision documents them."""
    with torch.device("meta"):
        model = build(
            {"type": "resnet", "depth": depth, "stem": "large"},
            models.DataShape(input_shape=(3, 224, 224)),
            num_outputs=1000,
        )
    assert sum(parameter.numel() for parameter in model.parameters()) == num_parameters


def test_a_residual_block_begins_as_its_shortcut() -> None:
    """Without its residual branches, whose weights are other ones then, the network gives the same."""
    model, x = build(RESNET, IMAGES).eval(), torch.randn(4, *IMAGES.input_shape)
    before = model(x)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".residual.0." in name:
                parameter.mul_(3)
    assert torch.equal(model(x), before)


@pytest.mark.parametrize("fields", [RNN, RNN | {"pooling": "last"}, ENCODER, DECODER], ids=str)
def test_steps_of_numbers_are_learned_by_heart(fields: dict[str, Any]) -> None:
    model = build(fields, STEPS)
    x = torch.randn(16, *STEPS.input_shape)
    losses = losses_of(model, x, torch.arange(16) % 3, num_steps=150)
    assert losses[-1] < 0.2 * losses[0]
    assert model.eval()(x[:0]).shape == (0, 3)
    assert build(fields, STEPS, per_token=True)(x).shape == (16, LENGTH, 3)


@pytest.mark.parametrize("fields", [RNN, ENCODER, DECODER], ids=str)
def test_the_columns_of_a_picture_are_steps(fields: dict[str, Any]) -> None:
    pictures = torch.randn(16, 2, 5, LENGTH)
    steps = torch.cat([pictures[:, 0], pictures[:, 1]], dim=1).transpose(1, 2)
    model = build(fields, models.DataShape(input_shape=(2, 5, LENGTH)))
    of_steps = build(fields, models.DataShape(input_shape=(LENGTH, 10)))
    of_steps.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(pictures), of_steps.eval()(steps))
    assert losses_of(model.train(), pictures, torch.arange(16) % 3)[-1] < 0.5
    assert model(pictures[:0]).shape == (0, 3)


def test_a_row_of_nothing_but_padding_is_finite() -> None:
    for fields in (RNN, RNN | {"pooling": "max"}, ENCODER, DECODER):
        assert build(fields)(torch.full((2, LENGTH), PADDING)).isfinite().all()


def test_an_encoder_sees_later_tokens() -> None:
    model = build(ENCODER, FULL_TOKENS, per_token=True).eval()
    x = torch.randint(1, NUM_TOKENS, (4, LENGTH))
    changed = x.clone()
    changed[:, -1] = changed[:, -1] % (NUM_TOKENS - 1) + 1
    assert (model(changed) - model(x))[:, 0].abs().max() > 1e-6


@pytest.mark.parametrize("positions", ["learned", "rotary", "sinusoidal"])
def test_the_order_of_tokens_counts(positions: str) -> None:
    model = build(ENCODER | {"positions": positions}, FULL_TOKENS).eval()
    x = torch.arange(1, LENGTH + 1)[None]
    assert not torch.allclose(model(x), model(x.flip(1)), atol=1e-6)


def test_tied_embeddings_are_one_weight() -> None:
    tied, own = (
        build(DECODER | {"tie_embeddings": is_tied}, TOKENS, NUM_TOKENS, per_token=True)
        for is_tied in (True, False)
    )
    num_tied, num_own = (sum(p.numel() for p in model.parameters()) for model in (tied, own))
    assert num_own - num_tied == 32 * NUM_TOKENS + NUM_TOKENS


def test_ten_ten_one() -> None:
    model = build({"type": "mlp", "width": 10, "depth": 1}, models.DataShape(input_shape=(10,)), 1)
    assert sum(parameter.numel() for parameter in model.parameters()) == 10 * 10 + 10 + 10 + 1


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_a_table_is_no_image(name: str) -> None:
    rule = rf"{name} needs images .* rows of shape \(13,\); use model.type mlp"
    with pytest.raises(ExperimentError, match=rule):
        build({"type": name}, models.DataShape(input_shape=(13,)))


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet"])
def test_tokens_are_no_numbers(name: str) -> None:
    with pytest.raises(ExperimentError, match=f"{name} needs rows of numbers, .* use model.type rnn or"):
        build({"type": name}, TOKENS)


@pytest.mark.parametrize("name", ["rnn", "transformer"])
def test_a_table_is_no_sequence(name: str) -> None:
    rule = rf"{name} needs rows of tokens, or numbers of shape .* \(13,\); use model.type mlp"
    with pytest.raises(ExperimentError, match=rule):
        build({"type": name}, models.DataShape(input_shape=(13,)))
