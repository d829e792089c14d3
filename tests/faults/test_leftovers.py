"""What a search leaves behind is found, and is told from what another one holds that runs beside it."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from folders import may_be_of_another
from searches import Search, environment

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(1000)"]


@pytest.fixture
def search(tmp_path) -> Search:
    """One that has ended."""
    return Search("steady", tmp_path / "one")


@pytest.fixture
def begin() -> Iterator[Callable[[Path], psutil.Process]]:
    """Begins a process of the search with those hooks, which is found by nothing but that."""
    begun = []

    def begin(hooks: Path) -> psutil.Process:
        begun.append(
            subprocess.Popen(SLEEP, env=environment(hooks), stdout=subprocess.PIPE, start_new_session=True)
        )
        begun[-1].stdout.readline()
        return psutil.Process(begun[-1].pid)

    yield begin
    for process in begun:
        process.kill()
        process.wait()


@pytest.fixture
def left() -> Iterator[Path]:
    """A file in shared memory."""
    path = Path("/dev/shm", f"tuner_test_{uuid.uuid4().hex}")
    path.write_text("left")
    yield path
    path.unlink()


def test_a_process(search, begin, tmp_path):
    ours, _ = begin(search.hooks), begin(tmp_path / "another")
    assert search.wait_until_gone(limit_s=0.1) == [ours]


def test_shared_memory_belongs_to_the_last_search_that_lived_when_it_was_made(search, begin, left, tmp_path):
    ours, other = begin(search.hooks), begin(tmp_path / "another")
    began_s = other.create_time()
    os.utime(left, times=(began_s + 10, began_s + 10))
    assert may_be_of_another(left.name, search, [ours, other, psutil.Process()])
    assert not may_be_of_another(left.name, search, [ours, psutil.Process()])
    os.utime(left, times=(began_s - 10, began_s - 10))
    assert not may_be_of_another(left.name, search, [ours, other, psutil.Process()])
