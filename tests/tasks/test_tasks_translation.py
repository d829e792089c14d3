"""Translation: teacher forcing, a loss that no cut into micro-batches changes, greedy decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tuner import models, tasks
from tuner.spec.sections import EncoderDecoderSpec, TrainSpec
from tuner.tasks.base import Task

NUM_TOKENS, LENGTH, BOUNDARY = 9, 6, 8
CPU = torch.device("cpu")


@dataclass(frozen=True)
class FakeManifest:
    num_tokens: int = NUM_TOKENS
    padding: int = 0
    target_tokens: float = 3.5
    input_shape: tuple[int, ...] = (LENGTH,)
    separator: None = None
    mean: None = None
    std: None = None


@dataclass(frozen=True)
class Digits:
    """Texts of digits, each of which is a token."""

    padding: int = 0
    unknown: None = None
    max_length: int = LENGTH

    def encode(self, text: str) -> Sequence[int]:
        return [int(digit) for digit in text]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(map(str, tokens))

    def rows(self, raw: np.ndarray) -> np.ndarray:
        return np.array([[*self.encode(text), *[0] * (LENGTH - len(text))] for text in raw], dtype=np.int32)


def task_of(**train: Any) -> Task:
    return tasks.get("translation", TrainSpec.model_validate({"epochs": 1} | train), FakeManifest())


def targets(num_rows: int = 10) -> np.ndarray:
    """Digits 1 to 7, as many as the row's place tells, and the boundary."""
    y = np.random.default_rng(0).integers(1, 8, (num_rows, LENGTH)).astype(np.int32)
    for place, row in enumerate(y):
        length = place % (LENGTH - 1) + 1
        row[length] = BOUNDARY
        row[length + 1 :] = 0
    return y


def logits() -> Tensor:
    return torch.randn(10, LENGTH, NUM_TOKENS, generator=torch.Generator().manual_seed(0))


def test_the_decoder_sees_what_comes_before_each_token() -> None:
    x, y = targets()[::-1].copy(), targets()
    both, found = task_of().batch(x, y, CPU, torch.bfloat16)
    assert both.shape == (10, 2, LENGTH)
    assert both.dtype == found.dtype == torch.int64
    assert both[:, 0].tolist() == x.tolist()
    assert both[:, 1, 0].tolist() == [0] * 10
    assert both[:, 1, 1:].tolist() == y[:, :-1].tolist()
    assert found.tolist() == y.tolist()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_does_not_depend_on_the_micro_batch(smoothing: float) -> None:
    task, y = task_of(label_smoothing=smoothing), torch.from_numpy(targets()).long()
    whole = task.loss(logits(), y)
    parts = [task.loss(logits()[start : start + 2], y[start : start + 2]) for start in range(0, 10, 2)]
    assert whole.dtype == torch.float32
    assert torch.stack(parts).mean().item() == pytest.approx(whole.item(), rel=1e-6)


def test_greedy_decoding_ends_each_row_by_itself() -> None:
    """A network that writes the source, token by token, and then the boundary."""
    widths = []

    def network(x: Tensor) -> Tensor:
        widths.append(x.shape[2])
        source = torch.where(x[:, 0] == 0, BOUNDARY, x[:, 0])
        ended = torch.nn.functional.pad(source, (0, 1), value=BOUNDARY)[:, : x.shape[2]]
        written = torch.nn.functional.one_hot(ended, NUM_TOKENS).float()
        written[:, :, 0] = 2.0
        return written

    raw = np.array(["1234", "7", "55"], dtype=object)
    found = task_of().predict(network, raw, Digits())
    assert [row["translation"] for row in found] == ["1234", "7", "55"]
    assert widths == [4, 4, 4, 4, 5]
    full = task_of().predict(network, np.array(["123456"], dtype=object), Digits())
    assert full == [{"translation": "123456"}]


def test_a_learned_network_predicts_what_it_saw() -> None:
    torch.manual_seed(0)
    task, y = task_of(), targets()
    texts = np.array([f"{place}{place + 1}" for place in range(1, 7)], dtype=object)
    spec = EncoderDecoderSpec(width=32, depth=1)
    network = models.build(spec, models.DataShape.of(FakeManifest()), task.num_outputs, per_token=True)
    x, wanted = task.batch(Digits().rows(texts), y[: len(texts)], CPU, torch.float32)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    first = task.loss(network(x), wanted).item()
    for _ in range(60):
        optimizer.zero_grad()
        task.loss(network(x), wanted).backward()
        optimizer.step()
    with torch.no_grad():
        assert task.loss(network(x), wanted).item() < 0.1 * first
        found = task.predict(network.eval(), texts, Digits())
    expected = ["".join(str(token) for token in row if 0 < token < BOUNDARY) for row in y[: len(texts)]]
    assert [row["translation"] for row in found] == expected
