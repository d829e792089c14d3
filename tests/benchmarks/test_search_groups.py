"""Which methods the search benchmark's table compares with each other, where some have fewer runs."""

import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def search(benchmarks: Path) -> Any:
    return importlib.import_module("search")


def lines_of(**counts: int) -> list[dict[str, str]]:
    return [{"method": method} for method, count in counts.items() for _ in range(count)]


def test_methods_with_fewer_runs_are_compared_apart(search: Any) -> None:
    lines = lines_of(random=200, ours=180, gp=100, cqr=60, ashacqr=6)
    methods = ["random", "ours", "gp", "cqr", "ashacqr", "unknown"]
    assert search.groups_of(lines, methods) == {
        "": ["random", "ours"],
        ", with the slow methods": ["random", "ours", "gp", "cqr"],
        ", with the slowest": ["random", "ours", "gp", "cqr", "ashacqr"],
    }


def test_where_all_have_the_same_runs_there_is_one_table(search: Any) -> None:
    lines = lines_of(random=20, ours=20)
    assert search.groups_of(lines, ["random", "ours"]) == {"": ["random", "ours"]}
