"""STUB until merged."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hold(path: Path, wait_s: float = 0.0) -> Iterator[None]:
    yield
