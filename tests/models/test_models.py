"""Every model with every choice builds, trains, and is decided by torch's seed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from tuner import models
from tuner.errors import ExperimentError
from tuner.spec.sections import ModelSpec

ACTIVATIONS = ("relu", "gelu", "tanh", "silu", "leaky_relu")
CHOICES = [
    *({"type": "mlp", "activation": name} for name in ACTIVATIONS),
    *({"type": "cnn", "activation": name} for name in ACTIVATIONS),
    *({"type": "mlp", "normalisation": name} for name in ("none", "batch", "layer")),
    *({"type": "cnn", "normalisation": name} for name in ("none", "batch", "group")),
    *({"type": "mlp", "depth": depth, "width": 12} for depth in (1, 4)),
    *({"type": "cnn", "depth": depth, "channels": 12} for depth in (1, 3, 4)),
    {"type": "cnn", "kernel_size": 5},
]


def build(
    fields: dict[str, Any], shape: tuple[int, ...] = (1, 8, 8), num_outputs: int = 3
) -> torch.nn.Module:
    torch.manual_seed(0)
    spec = TypeAdapter(ModelSpec).validate_python(fields)
    return models.build(spec, models.DataShape(input_shape=shape), num_outputs)


@pytest.mark.parametrize("fields", CHOICES, ids=str)
def test_contract(fields: dict[str, Any]) -> None:
    model = build(fields)
    x = torch.randn(16, 1, 8, 8)
    targets = torch.arange(16) % 3
    assert model(x).shape == (16, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(model(x), targets)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_same_seed_same_weights(name: str) -> None:
    first, second = (build({"type": name}).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_dropout_acts_in_training_only(name: str) -> None:
    model = build({"type": name, "dropout": 0.5})
    x = torch.randn(4, 1, 8, 8)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_no_rows_give_no_outputs(name: str) -> None:
    assert build({"type": name}).eval()(torch.zeros(0, 1, 8, 8)).shape == (0, 3)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 9), (1, 28, 28), (3, 64, 48)])
@pytest.mark.parametrize("depth", [1, 3])
def test_cnn_takes_any_image(shape: tuple[int, ...], depth: int) -> None:
    model = build({"type": "cnn", "depth": depth, "channels": 4}, shape).eval()
    assert model(torch.randn(2, *shape)).shape == (2, 3)


def test_ten_ten_one() -> None:
    model = build({"type": "mlp", "width": 10, "depth": 1}, shape=(10,), num_outputs=1)
    assert sum(parameter.numel() for parameter in model.parameters()) == 10 * 10 + 10 + 10 + 1


def test_cnn_on_a_table() -> None:
    with pytest.raises(
        ExperimentError, match=r"cnn needs images .* rows of shape \(13,\); use model.type mlp"
    ):
        build({"type": "cnn"}, shape=(13,))
