"""The benchmark of loaders: all hand out the same rows, and memory is that of the process."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch


@pytest.fixture
def data(benchmarks: Path) -> Any:
    return importlib.import_module("data")


def test_all_loaders_hand_out_every_row_shuffled(data: Any, tmp_path: Path) -> None:
    rows = data.make_rows(1024, (3, 2), "int32")
    loaders = {"tuner": data.of_tuner(data.make_store(rows, tmp_path / "store")), **data.in_memory(rows)}
    expected = sorted(map(tuple, rows.x.reshape(1024, -1).tolist()))
    for name, epoch in loaders.items():
        batches = list(epoch())
        x = torch.cat([x for x, _ in batches])
        assert sorted(map(tuple, x.reshape(1024, -1).tolist())) == expected, name
        assert not torch.equal(x, torch.from_numpy(rows.x)), name
        assert {len(y) for _, y in batches} == {data.BATCH_SIZE}, name


def test_who_works_alone_is_compared_by_cpu_time(data: Any) -> None:
    ours, other = data.Rate(wall=100, cpu=400), data.Rate(wall=50, cpu=100)
    assert data.cells_of("in memory", other, ours)[-1] == "4.00"
    assert data.cells_of("Ray Data", other, ours)[2:] == ["-", "2.00"]


def test_a_computed_order_takes_less_memory_than_a_listed_one(benchmarks: Path) -> None:
    grown = {}
    for how in ("listed", "computed"):
        code = f"import data; data.order_of_many({how!r}, 5_000_000)"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=benchmarks, capture_output=True, text=True, check=True
        )
        grown[how] = json.loads(done.stdout)["bytes"]
    assert grown["computed"] < 10e6 < 19e6 < grown["listed"]
