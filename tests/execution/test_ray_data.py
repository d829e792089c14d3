"""Ray Data prepares the same bytes on two nodes as one process; a user's mistake is the user's there too."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from PIL import Image

from tuner.data import prepare
from tuner.data.sources import table_files
from tuner.errors import DataError
from tuner.execution import runner
from tuner.execution.ray_data import over_ray_data
from tuner.spec import Experiment
from tuner.spec.sections import DataSpec

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()
    made.shutdown()


def images(folder: Path) -> tuple[str, dict[str, Any]]:
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for row in range(70):
            Image.fromarray(draw.integers(0, 255, (9, 8, 3)).astype(np.uint8)).save(
                folder / name / f"{row:02}.png"
            )
    (folder / "dog" / "33.png").write_bytes(b"no image")
    data = {"source": {"type": "image_folder", "path": str(folder)}, "image": {"size": 6}}
    return "image_classification", {**data, "clean": {"invalid": "drop"}}


def text(folder: Path) -> tuple[str, dict[str, Any]]:
    folder.mkdir()
    (folder / "book.txt").write_text("Was it so? It can't be - 数据。 ok\n" * 40_000, encoding="utf-8")
    data = {
        "source": {"type": "text", "path": str(folder / "book.txt")},
        "split": {"train": 0.8, "val": 0.1, "test": 0.1},
    }
    return "language_modelling", {
        **data,
        "text": {"tokenizer": {"type": "bpe", "vocabulary": 300}, "max_length": 16},
    }


def table(folder: Path) -> tuple[str, dict[str, Any]]:
    folder.mkdir()
    rows = [{"a": row / 7, "b": ["x", "007", None][row % 3], "y": "pq"[row % 2]} for row in range(300)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"source": {"type": "jsonl", "path": str(folder / "rows.jsonl"), "label": "y"}}
    return "tabular_classification", {**data, "clean": {"missing": "most_frequent"}}


@pytest.mark.parametrize("kind", [images, text, table], ids=lambda kind: kind.__name__)
def test_the_bytes_are_those_of_one_process(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "PART_BYTES", 2000)
    task, data = kind(tmp_path / "source")
    spec = DataSpec.model_validate(data)
    alone, spread = (
        prepare(spec, task, tmp_path / name, **options).path
        for name, options in {"alone": {}, "spread": {"map_chunks": over_ray_data}}.items()
    )
    assert alone.name == spread.name
    assert {file.name for file in alone.iterdir()} == {file.name for file in spread.iterdir()}
    for file in alone.iterdir():
        assert (spread / file.name).read_bytes() == file.read_bytes(), file.name


def test_results_come_in_order_and_nothing_is_nothing() -> None:
    assert list(over_ray_data(str, range(50))) == [str(number) for number in range(50)]
    assert list(over_ray_data(str, [])) == []


def test_every_node_works() -> None:
    def node_of(_: int) -> str:
        time.sleep(0.05)
        return str(ray.get_runtime_context().get_node_id())

    assert set(over_ray_data(node_of, range(80))) == {node["NodeID"] for node in ray.nodes()}


def test_the_first_mistake_is_raised_as_it_is() -> None:
    def refuse(number: int) -> int:
        if number in (7, 30):
            raise DataError(f"numbers must be good, but found {number}")
        return number

    with pytest.raises(DataError, match="^numbers must be good, but found 7$"):
        list(over_ray_data(refuse, range(40)))


def test_a_refused_preparation_leaves_nothing(tmp_path: Path) -> None:
    task, data = images(tmp_path / "source")
    spec = DataSpec.model_validate({**data, "clean": {"invalid": "error"}})
    with pytest.raises(DataError, match=r"33.png is not: it is none of"):
        prepare(spec, task, tmp_path / "store", map_chunks=over_ray_data)
    assert not (tmp_path / "store").exists()


def test_it_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    list(over_ray_data(str, range(3)))
    assert logging.getLogger("ray.data").level == logging.ERROR
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("above_mb", "expected"), [(0.001, ["spread"]), (1024, [])])
def test_only_large_sources_and_an_idle_cluster(
    tmp_path: Path, above_mb: float, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, data = table(tmp_path / "source")
    used: list[str] = []

    def spread(function: Any, chunks: Any) -> Iterator[Any]:
        used[:] = ["spread"]
        return over_ray_data(function, chunks)

    monkeypatch.setattr(runner, "over_ray_data", spread)
    experiment = Experiment.from_dict(
        {
            "name": "large",
            "task": task,
            "data": data,
            "model": {"type": "mlp"},
            "train": {"epochs": 1, "optimizer": {"type": "sgd", "lr": {"float": [0.1, 0.2]}}},
            "search": {"metric": "val/loss", "mode": "min", "trials": 1},
            "resources": {"ray_data_above_mb": above_mb},
        }
    )
    (spec, *_) = specs = list(experiment.representatives())
    store_of = runner._prepare(experiment, specs, tmp_path / "store", [], {}, nullcontext)
    assert used == expected
    used.clear()
    store_of(spec.data.model_copy(update={"standardise": False}))
    assert used == [], "gangs have the CPUs"
