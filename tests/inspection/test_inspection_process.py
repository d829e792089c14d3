"""How the process answers what fails, and what it may take."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tuner.errors import DataError
from tuner.inspection.__main__ import answer
from tuner.inspection.answers import Answers


class Failing(Answers):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def to(self, request: Mapping[str, Any]) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DataError("a row must be one"), "a row must be one"),
        (MemoryError(), "needs more than half of this machine's memory, or than is free"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "needs more than half"),
        (ZeroDivisionError("division"), "failed (ZeroDivisionError: division)"),
    ],
)
def test_an_error_is_a_sentence(error: Exception, sentence: str) -> None:
    assert sentence in answer(Failing(error), {})["error"]


def asked(program: str, limit_s: float = 600.0) -> subprocess.Popen[bytes]:
    """The process, in the middle of its answer."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    process.stdin.write(json.dumps({"limit_s": limit_s}).encode() + b"\n")
    process.stdin.flush()
    return process


SLOW = """
import os, time
from tuner.inspection import __main__ as process
from tuner.inspection.answers import Answers

def to(self, request):
    os.write(2, b"looking")
    time.sleep(600)

Answers.to = to
process._GRACE_S = 0.0
process.main()
"""


def test_the_end_of_its_input_ends_it_in_the_middle_of_an_answer() -> None:
    process = asked(SLOW)
    assert process.stderr is not None
    assert process.stderr.read(7) == b"looking"
    process.communicate()
    assert process.returncode == 0


def test_it_ends_by_itself_where_an_answer_takes_longer_than_its_limit() -> None:
    process = asked(SLOW, limit_s=0.01)
    assert process.wait() == -signal.SIGALRM
    process.communicate()


def test_after_an_answer_it_waits_for_the_next_one() -> None:
    process = asked("from tuner.inspection.__main__ import main; main()")
    assert process.stdout is not None
    assert "KeyError" in json.loads(process.stdout.readline())["error"]
    assert process.poll() is None
    process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("total", "available", "limits", "most"),
    [
        (8000, 7000, [], 4000),
        (8000, 7000, [6000, 1 << 62], 3000),
        (8000, 1000, [6000], 1000),
    ],
)
def test_what_it_may_take(total: int, available: int, limits: list[int], most: int) -> None:
    program = f"""
import resource, types
from tuner.inspection import __main__ as process
memory = types.SimpleNamespace(total={total} << 20, available={available} << 20)
process.psutil.virtual_memory = lambda: memory
process.cgroup_limits = lambda: [limit << 20 for limit in {limits}]
process._limit_memory()
print(resource.getrlimit(resource.RLIMIT_DATA)[0] >> 20)
print(open("/proc/self/oom_score_adj").read())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == [str(most), "1000"]


def test_its_memory_is_limited() -> None:
    program = """
import resource
from tuner.inspection import __main__ as process
process._limit_memory()
soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
print(soft)
try:
    bytearray(2 * soft)
except MemoryError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    soft, refused = done.stdout.splitlines()
    assert int(soft) > 0
    assert refused == "refused"
