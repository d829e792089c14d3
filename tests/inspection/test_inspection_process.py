"""How the process answers what fails, and what it may take."""

from __future__ import annotations

import json
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
        (MemoryError(), "needs more than half of this machine's memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "needs more than half"),
        (ZeroDivisionError("division"), "failed (ZeroDivisionError: division)"),
    ],
)
def test_an_error_is_a_sentence(error: Exception, sentence: str) -> None:
    assert sentence in answer(Failing(error), {})["error"]


def test_its_memory_is_limited_and_its_input_ends_it() -> None:
    program = """
import resource
from tuner.inspection import __main__ as process
process.main()
soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
print(soft)
try:
    bytearray(2 * soft)
except MemoryError:
    print("refused")
"""
    request = json.dumps({"what": "data", "folder": "/nowhere"}) + "\n"
    done = subprocess.run([sys.executable, "-c", program], input=request, capture_output=True, text=True)
    assert "error" in json.loads(done.stdout)  # What is printed goes elsewhere.
    soft, refused = done.stderr.splitlines()[-2:]
    assert int(soft) > 0
    assert refused == "refused"
