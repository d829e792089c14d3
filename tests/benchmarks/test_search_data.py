"""The benchmark's real curves: every task is there, and its reference makes sense."""

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(os.environ.get("TUNER_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not (DATA / "taskset").is_dir(), reason=f"no data in {DATA}; set TUNER_DATA"),
]


@pytest.fixture
def search(benchmarks: Path) -> Any:
    return importlib.import_module("search")


def test_taskset_is_complete(search: Any) -> None:
    for task in search.SUITES["TaskSet"]:
        curves = search.curves_of(task)
        best, median = curves.reference("min")
        assert curves.num_steps == 50
        assert 0 < best < median < 2


def test_lcbench_is_an_accuracy_in_percent(search: Any) -> None:
    pytest.importorskip("onnxruntime")
    curves = search.curves_of("167152")
    best, median = curves.reference("max")
    assert 50 < median < best <= 100
    names = (
        "batch_size",
        "learning_rate",
        "momentum",
        "weight_decay",
        "num_layers",
        "max_units",
        "max_dropout",
    )
    curve = curves.curve(dict(zip(names, (64, 0.01, 0.9, 1e-3, 3, 256, 0.2), strict=True)))
    # As the network says when it is asked by itself.
    np.testing.assert_allclose(curve[[0, 1, 10, 50]], [64.458855, 85.13146, 96.32171, 97.53299], rtol=1e-5)


def test_a_seed_is_another_stream_on_each_task(search: Any) -> None:
    streams = {search.Key("random", task, seed).stream for task in search.SUITE_OF for seed in range(10)}
    assert len(streams) == 200
