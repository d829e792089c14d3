"""Benchmarks as modules, which import each other by their plain names."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Their folder, from which they can be imported."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return FOLDER
