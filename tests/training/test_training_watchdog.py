"""A process without progress ends, with its stacks; one with progress, or that is not watched, does not."""

import subprocess
import sys
import time

import pytest

from tuner.training.watchdog import has_spoken, is_silent, progress, watched

PROGRAM = """
import time
from pathlib import Path
from tuner.training.watchdog import progress, watched
def hang(seconds):
    time.sleep(seconds)
{body}
print("went on", flush=True)
"""

ENDS = [
    "with watched(0.5): hang(30)",
    "with watched(0.5):\n    for _ in range(20): hang(0.05); progress()\n    hang(30)",
    "import re\nwith watched(0.5): re.match('(a+)+b', 40 * 'a')  # never gives the interpreter away",
]
GOES_ON = [
    "with watched(0.5): pass\nhang(1.5)",
    "with watched(0.5):\n    for _ in range(30): hang(0.05); progress()",
    "try:\n    with watched(0.5): raise ValueError\nexcept ValueError: hang(1.5)",
]


def run(body: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)], capture_output=True, text=True, timeout=25
    )


@pytest.mark.parametrize("body", ENDS)
def test_a_hanging_process_ends_and_shows_its_stacks(body):
    done = run(body)
    assert (done.returncode, done.stdout) == (1, "")
    assert has_spoken(done.stderr)
    assert "most recent call first" in done.stderr


@pytest.mark.parametrize("body", GOES_ON)
def test_a_process_goes_on(body):
    done = run(body)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


def test_the_heart_beats_with_progress_and_not_too_often(tmp_path):
    heartbeat = tmp_path / ".heartbeat"
    with watched(5.0, heartbeat):
        first = heartbeat.stat().st_mtime_ns
        progress()
        assert heartbeat.stat().st_mtime_ns == first
        time.sleep(0.6)
        progress()
        assert heartbeat.stat().st_mtime_ns > first


def test_silence(tmp_path):
    heartbeat = tmp_path / ".heartbeat"
    assert not is_silent(heartbeat, 10.0, time.time())
    heartbeat.touch()
    touched_s = heartbeat.stat().st_mtime
    assert not is_silent(heartbeat, 10.0, touched_s + 9.0)
    assert is_silent(heartbeat, 10.0, touched_s + 11.0)
