"""What a search leaves behind is found, and is told from what another one holds that runs beside it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from folders import check_processes
from searches import Search, environment

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(1000)"]


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


def test_a_process(begin, tmp_path):
    search = Search("steady", tmp_path / "one")
    ours, _ = begin(search.hooks), begin(tmp_path / "another")
    assert search.wait_until_gone(limit_s=0.1) == [ours]
    search.shared_memory.rmdir()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a process a /dev/shm of its own")
def test_shared_memory(tmp_path):
    search = Search("steady", tmp_path / "one")
    subprocess.run([*search.apart(), "touch", "/dev/shm/left"], check=True)
    assert [path.name for path in search.shared_memory.iterdir()] == ["left"]
    assert not Path("/dev/shm/left").exists()
    with pytest.raises(AssertionError):
        check_processes(search)
    shutil.rmtree(search.shared_memory)
