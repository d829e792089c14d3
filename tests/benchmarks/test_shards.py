"""The benchmark of the cache of shards: every case reads the rows, and what is copied is counted."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def shards(benchmarks: Path) -> Any:
    return importlib.import_module("shards")


def test_what_is_copied_is_counted_without_the_first_epoch(shards: Any, tmp_path: Path) -> None:
    rows = shards.Rows(np.zeros((1024, 10), np.float32), np.zeros(1024, np.int64))
    store = shards.make_store(rows, tmp_path / "store")
    warm, cold = (shards.Counting(tmp_path / name, 10**6, 4096) for name in ("warm", "cold"))
    cases = [
        shards.Case("store", shards.FULL),
        shards.Case("warm", shards.BLOCK, warm),
        shards.Case("cold", shards.BLOCK, cold, is_cold=True),
    ]
    assert shards.measure(store, cases, num_rounds=2) == [0, 0, 2 * (1024 * 40 + 1024 * 8)]
    assert [len(case.rates) for case in cases] == [2, 2, 2]


def test_an_epoch_with_and_without_reading_ahead_copies_the_same(
    shards: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "TRAINED_MB_PER_S", 10)
    rows = shards.Rows(np.zeros((2048, 10), np.float32), np.zeros(2048, np.int64))
    store = shards.make_store(rows, tmp_path / "store")
    for kind in (shards.OnDemand, shards.ReadAhead):
        cache = shards.Counting(tmp_path / kind.__name__, 10**6, 4096)
        steps_s, epoch_s = shards.seconds_of(store, cache, kind)
        assert 2048 * 40 / 10e6 <= steps_s <= epoch_s
        assert sum(cache.copied) == 2048 * 40 + 2048 * 8
