"""Writes the checkpoints of a trial, one at a time, in a thread beside the training.

The state is copied while training stands still; each rank's thread then writes its share and its manifest,
and that of rank 0 waits for all manifests and gives the checkpoint its name. The threads meet in the folder
only: collective operations are left to the training. A rank that cannot write removes the folder, which ends
the others' writing too. How long training stands still: `results/benchmarks/checkpoints.md`.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Any

from tuner.errors import TunerError
from tuner.records.checkpoints import (
    Checkpoint,
    Content,
    begin,
    beside,
    complete,
    discard,
    is_written,
    name_of,
    write_file,
    write_manifest,
)
from tuner.records.paths import POSITION, TrialPaths
from tuner.training.logged import say
from tuner.training.ranks import Ranks, is_anywhere

OTHERS_S = 600.0
"""So long rank 0 waits for the manifests of the others when it has written its own."""
POLL_S = 0.01


@dataclass(frozen=True)
class Snapshot:
    """A moment of a training, as one rank holds it."""

    position: Mapping[str, Any]
    """The same on all ranks; with `num_reports`."""
    files: Mapping[str, Content]
    """This rank's, by their path inside the checkpoint; let go of when they are written, or cannot be."""


class Saver:
    """Of one trial in one rank."""

    def __init__(self, trial: TrialPaths, ranks: Ranks, keep_last: int) -> None:
        self._trial, self._ranks, self._keep_last = trial, ranks, keep_last
        self._write: _Write | None = None
        self._saved = ""

    @property
    def is_busy(self) -> bool:
        """Whether this rank is still writing."""
        return self._write is not None and self._write.is_alive()

    def save(self, num_reports: int, num_steps: int, snapshot: Callable[[], Snapshot], *, wait: bool) -> None:
        """Collective. Without `wait` it returns when `snapshot` has; a failure is told in the trial's log.

        Raises:
            TunerError: with `wait`, on every rank, when a rank could not write.
        """
        self._settle()
        name = name_of(num_reports, num_steps)
        if name == self._saved:
            return
        error = self._begin(name)
        if is_anywhere(error is not None, self._ranks):
            if wait:
                raise self._refusal(error)
            _log(error)
            return
        self._write = _Write(self._trial, name, self._ranks, self._keep_last, snapshot())
        self._write.start()
        if wait:
            error = self._settle()
            if name != self._saved:
                raise self._refusal(error)

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        """It need not be written again."""
        if checkpoint.folder.parent == self._trial.checkpoints:
            self._saved = checkpoint.folder.name

    def close(self) -> None:
        """Waits for this rank's writing."""
        if self._write is not None:
            self._write.join()

    def _begin(self, name: str) -> Exception | None:
        if self._ranks.is_first:
            try:
                begin(self._trial, name)
            except OSError as error:
                return error
        return None

    def _settle(self) -> Exception | None:
        """Waits for the write under way, on every rank; notes its name when all ranks have written."""
        write, self._write = self._write, None
        if write is None:
            return None
        write.join()
        if not is_anywhere(write.error is not None, self._ranks):
            self._saved = write.checkpoint
        return write.error

    def _refusal(self, error: Exception | None) -> TunerError:
        found = "another rank could not write it" if error is None else f"{type(error).__name__}: {error}"
        return TunerError(
            f"a checkpoint must be written before its trial stands still, but {found}; make "
            f"{self._trial.checkpoints} writable, with room for it."
        )


class _Write(Thread):
    """One rank's share of one checkpoint; rank 0 completes it."""

    def __init__(
        self, trial: TrialPaths, checkpoint: str, ranks: Ranks, keep_last: int, snapshot: Snapshot
    ) -> None:
        super().__init__(name="checkpoint", daemon=True)
        self.checkpoint = checkpoint
        self.error: Exception | None = None
        self._trial, self._ranks, self._keep_last = trial, ranks, keep_last
        self._position = dict(snapshot.position) | {"num_ranks": ranks.num_ranks}
        self._files = dict(snapshot.files)
        self._folder = beside(trial, checkpoint)

    def run(self) -> None:
        try:
            self._write_files()
            if self._ranks.is_first:
                self._wait_for_others()
                complete(self._trial, self.checkpoint, self._keep_last)
        except Exception as error:  # Nobody hears what a thread raises.
            self.error = error.with_traceback(None)  # Its frames would hold on to the snapshot's memory.
            if self._folder.exists():  # Else the trial has ended, or another rank has failed and said so.
                discard(self._folder)
                _log(error)
        finally:
            self._files.clear()  # The next snapshot uses the same memory.

    def _write_files(self) -> None:
        ranks, files = self._ranks, self._files
        if ranks.is_first:
            files[POSITION] = json.dumps(self._position).encode()
        entries = {name: write_file(self._folder, name, content) for name, content in files.items()}
        write_manifest(self._folder, ranks.rank, ranks.num_ranks, entries)

    def _wait_for_others(self) -> None:
        ends = time.monotonic() + OTHERS_S
        while not is_written(self._folder, self._ranks.num_ranks):
            if not self._folder.exists():
                raise FileNotFoundError(self._folder)
            if time.monotonic() > ends:
                raise TimeoutError(f"no manifest of another rank within {OTHERS_S:.0f} s")
            time.sleep(POLL_S)


def _log(error: Exception | None) -> None:
    if error is not None:
        say(f"a checkpoint was not written, the training goes on and will try again: {error!r}")
