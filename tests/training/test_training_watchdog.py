"""A process without progress ends, with its stacks; one with progress, or that is not watched, does not."""

import subprocess
import sys
import time
from pathlib import Path

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
    "with watched(0.5, Path('stacks')): hang(30)",
    "with watched(0.5, Path('stacks')):\n    for _ in range(20): hang(0.05); progress()\n    hang(30)",
    # It never gives the interpreter away.
    "import re\nwith watched(0.5, Path('stacks')): re.match('(a+)+b', 40 * 'a')",
]
GOES_ON = [
    "with watched(0.5, Path('stacks')): pass\nhang(1.5)",
    "with watched(0.5, Path('stacks')):\n    for _ in range(30): hang(0.05); progress()",
    "try:\n    with watched(0.5, Path('stacks')): raise ValueError\nexcept ValueError: hang(1.5)",
]


def run(body: str, folder: Path) -> subprocess.CompletedProcess:
    program = [sys.executable, "-c", PROGRAM.format(body=body)]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=25)


@pytest.mark.parametrize("body", ENDS)
def test_a_hanging_process_ends_and_shows_its_stacks(body, tmp_path):
    done = run(body, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert has_spoken(tmp_path / "stacks")
    assert "most recent call first" in (tmp_path / "stacks").read_text()


@pytest.mark.parametrize("body", GOES_ON)
def test_a_process_goes_on(body, tmp_path):
    done = run(body, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")
    assert not has_spoken(tmp_path / "stacks")
    assert list(tmp_path.iterdir()) == []


def test_where_no_file_can_be_written_the_stacks_go_to_standard_error(tmp_path):
    (tmp_path / "stacks").mkdir()
    done = run(ENDS[0], tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "most recent call first" in done.stderr


def test_the_heart_beats_with_progress_and_not_too_often(tmp_path):
    heartbeat = tmp_path / ".heartbeat"
    with watched(5.0, tmp_path / "stacks", heartbeat):
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
