"""One process at a time: the file that it holds, and what another one is told."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from tuner.errors import ResultsError
from tuner.records.lock import hold

TEXT = {"rule": "an experiment is run by one process at a time", "fix": "wait for it"}

HOLD = """
import sys, time
from pathlib import Path
from tuner.records.lock import hold
held = hold(Path(sys.argv[1]), rule="", fix="")
print("held", flush=True)
{then}
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "digits" / ".lock"


def start_holder(path, then: str = "time.sleep(60)") -> subprocess.Popen:
    code = HOLD.format(then=then)
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_it_is_held_until_it_is_released(path):
    lock = hold(path, **TEXT)
    with pytest.raises(ResultsError, match="one process at a time"):
        hold(path, **TEXT)
    lock.release()
    lock.release()
    hold(path, **TEXT).release()


def test_the_error_says_who_holds_it_since_when_and_what_to_do(path):
    process = start_holder(path)
    with pytest.raises(ResultsError) as raised:
        hold(path, **TEXT)
    process.kill()
    process.wait()
    who = rf"process {process.pid} on host {re.escape(os.uname().nodename)} since \d\d\d\d-\d\d-\d\dT[^ ]+"
    folder = re.escape(str(path.parent))
    expected = f"{TEXT['rule']}, but {folder} is being run by {who}; wait for it\\."
    assert re.fullmatch(expected, str(raised.value))


def test_a_holder_that_has_not_said_who_it_is(path):
    path.parent.mkdir()
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ResultsError, match="by another process; wait for it"):
            hold(path, **TEXT)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSEGV])
def test_a_dead_process_holds_nothing(path, sign):
    process = start_holder(path)
    process.send_signal(sign)
    process.wait()
    hold(path, **TEXT).release()


def test_it_waits_for_the_holder_to_end(path):
    process = start_holder(path, "time.sleep(0.5)")
    began_s = time.monotonic()
    hold(path, **TEXT, wait_s=20).release()
    assert time.monotonic() - began_s < 10
    process.wait()


def test_a_look_at_a_lock_keeps_nobody_from_it(path):
    look = hold(path, **TEXT)
    threading.Timer(0.02, look.release).start()
    hold(path, **TEXT).release()


def test_a_program_that_the_holder_started_does_not_hold_it(path):
    process = start_holder(
        path, "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    )
    child = int(process.stdout.readline())
    process.wait()
    try:
        hold(path, **TEXT).release()
    finally:
        os.kill(child, signal.SIGKILL)
