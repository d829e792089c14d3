"""Ends a process that makes no progress, with the stacks of all its threads in a file of its own.

The timer is that of `faulthandler`: a thread in C that needs no lock of the interpreter, so it also ends a
process that hangs in a kernel or in a collective. All ranks have it: of a gang in which one rank hangs, or is
stopped, the others wait in a collective, make no progress either, and end. They write at the same time and
in small pieces, so that in one file their stacks could not be read.

A process has one such timer, hence the functions of this module and no object. Measured on two busy cores: a
`progress` that finds the timer young costs 0.2 us; one that sets it anew 60 us, at most every tenth of
`hang_seconds` or every 5 s.
"""

import faulthandler
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tuner.training.logged import flush

STDERR = 2
"""Takes the stacks where the disk takes no file for them."""


@dataclass
class _Timer:
    hang_seconds: float
    stacks: int
    heartbeat: Path | None
    set_at_s: float = 0.0

    @property
    def pause_s(self) -> float:
        """Between two settings of the timer."""
        return lateness_s(self.hang_seconds)


_timer: _Timer | None = None


@contextmanager
def watched(hang_seconds: float, stacks: Path, heartbeat: Path | None = None) -> Iterator[None]:
    """Ends the process when the block makes no `progress` for `hang_seconds`, or up to a tenth longer.

    Args:
        stacks: a file that exists while the block runs, and after the process ended by its watchdog; then it
            holds the stacks of its threads, see `has_spoken`. Its folder exists.
        heartbeat: a file that is touched with each progress, so that others see it; see `is_silent`.
    """
    global _timer
    assert _timer is None, "one block at a time is watched"
    timer = _timer = _Timer(hang_seconds, _opened(stacks), heartbeat)
    try:
        _set(timer)
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        _timer = None
        os.close(timer.stacks)
        with suppress(OSError):
            stacks.unlink()


def progress() -> None:
    """Says that the process does not hang. Called at every step of a training; cheap, also where none is
    watched.
    """
    if _timer is not None and time.monotonic() - _timer.set_at_s > _timer.pause_s:
        _set(_timer)


def lateness_s(hang_seconds: float) -> float:
    """By how much a watchdog may speak later than `hang_seconds` after the last progress."""
    return min(hang_seconds / 10, 5.0)


def has_spoken(stacks: Path) -> bool:
    """Whether a watchdog ended the process whose stacks go to that file."""
    try:
        return stacks.stat().st_size > 0
    except FileNotFoundError:
        return False


def is_silent(heartbeat: Path, hang_seconds: float, now_s: float) -> bool:
    """Whether a rank's heartbeat stands still, so that its process must be stopped as a whole: its watchdog
    too.

    Args:
        now_s: wall clock, as in the file's time of modification.
    """
    try:
        return now_s - heartbeat.stat().st_mtime > hang_seconds
    except FileNotFoundError:
        return False


def _set(timer: _Timer) -> None:
    flush()
    # It is set too late by as much as `progress` may skip, and so never fires too early.
    faulthandler.dump_traceback_later(timer.hang_seconds + timer.pause_s, exit=True, file=timer.stacks)
    timer.set_at_s = time.monotonic()
    if timer.heartbeat is not None:
        timer.heartbeat.touch()


def _opened(stacks: Path) -> int:
    try:
        return os.open(stacks, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError:
        return os.dup(STDERR)
