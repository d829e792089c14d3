"""Runs a search of `program.py` in a process of its own, and stops it at a moment of its life.

    search = Search("pair", folder)
    search.begin()
    spot = MOMENTS["in a pause"](search, whole)      # everything stands still there
    os.kill(spot.rank, signal.SIGKILL)
    search.let_go()
    assert search.end() == 0

A moment is exact: a rank waits in the training function, or a process is stopped (SIGSTOP) and the moment is
looked for on the disk before the fault comes.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tuner.execution.decisions import read_decisions
from tuner.records.event_reader import read_scalars
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials, search_rows

HERE = Path(__file__).parent
LIMIT_S = 240.0
POLL_S = 0.005
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
DELIVERED_S = 0.5
"""From a rank's report on the disk until the search's process, which is stopped, would find it."""


class Search:
    """One of `program.SEARCHES` by name, in `folder`; of a running cluster where there is an `address`."""

    def __init__(self, name: str, folder: Path, address: str | None = None) -> None:
        self.name = name
        self.results, self.hooks = folder / "results", folder / "hooks"
        self.paths = ExperimentPaths(self.results / name)
        self.num_ranks = 2 if name in ("pair", "mlp") else 1
        self.messages = folder / "messages.txt"
        self.seen: set[psutil.Process] = set()
        """Every process of the search that was found so far."""
        self.shared_memory = Path(tempfile.mkdtemp(prefix="tuner", dir="/dev/shm"))
        """What the search's processes see as /dev/shm, where a user may give them that."""
        self._address = address
        self._stopped: set[int] = set()
        self.hooks.mkdir(parents=True)

    def begin(self) -> None:
        """Starts the program: a new search, or where there is one already, `resume`."""
        arguments = [self.name, str(self.results), *([self._address] if self._address else [])]
        self._process = self.start(*arguments)
        self.driver = psutil.Process(self._process.pid)

    def start(self, *arguments: str) -> subprocess.Popen:
        with self.messages.open("a") as file:
            return subprocess.Popen(
                [*self.apart(), sys.executable, str(HERE / "program.py"), *arguments],
                env=environment(self.hooks),
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def apart(self) -> list[str]:
        """Runs what follows in a mount namespace with shared memory of its own; as root only."""
        if os.getuid():
            return []
        bind = f'mount --bind {self.shared_memory} /dev/shm && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", bind, "sh"]

    def end(self) -> int:
        """Waits for the program; its exit status."""
        self.wait_until(lambda: not self.is_running, may_end=True)
        return self._process.returncode

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, is_so: Callable[[], object], *, may_end: bool = False) -> None:
        """Fails when it takes too long, or the program ends before."""
        end_s, look_s = time.monotonic() + LIMIT_S, 0.0
        while not is_so():
            now_s = time.monotonic()
            assert now_s < end_s, self.account("it took too long")
            assert may_end or self.is_running, self.account("it ended")
            if now_s > look_s:
                self._look_for_processes()
                look_s = now_s + 0.5
            time.sleep(POLL_S)

    def wait_until_gone(self, limit_s: float = 30.0) -> list[psutil.Process]:
        """Until nothing of a program that has ended lives any more; what does all the same.

        Ray's own agents look for their raylet a minute after a kill, and hold nothing of ours.
        """
        self.seen |= {process for process in psutil.process_iter() if hooks_of(process) == str(self.hooks)}
        waited_for = [
            process for process in self.seen if not any(_is_called(process, name) for name in AGENTS)
        ]
        _, living = psutil.wait_procs(waited_for, timeout=limit_s)
        return [process for process in living if process.status() != psutil.STATUS_ZOMBIE]

    def refused(self) -> str:
        """What a second program on the same folder says; it must be refused."""
        second = self.start(self.name, str(self.results))
        self.wait_until(lambda: second.poll() is not None)
        assert second.returncode == 2, self.account("it was not refused")
        return self.messages.read_text().splitlines()[-1]

    def account(self, what: str) -> str:
        """For people, of a test that failed."""
        lines = self.paths.decisions.read_text() if self.paths.decisions.exists() else ""
        return f"{what}\n{self.messages.read_text()}\n{lines}"

    def processes(self, name: str) -> list[psutil.Process]:
        """The living ones whose program or title is so called: `ray::_Rank`, `raylet`, ..."""
        self._look_for_processes()
        return [process for process in self.seen if _is_called(process, name)]

    def _look_for_processes(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self.seen |= {self.driver, *self.driver.children(recursive=True)}

    # --- standing still ----------------------------------------------------------------------------

    def hold(self, number: int, num_reports: int, rank: int = 0) -> int:
        """Waits until a rank stands there in its training function; its process."""
        for name in ("reached", "answer", "done"):
            (self.hooks / name).unlink(missing_ok=True)
        (self.hooks / "plan.json").write_text(json.dumps([number, num_reports, rank]))
        reached = self.hooks / "reached"
        self.wait_until(reached.exists)
        return int(reached.read_text())

    def answer(self, text: str, *, again: bool = False) -> None:
        """What the rank that is held does. `again`: whenever it comes there."""
        if not again:
            (self.hooks / "done").touch()
        (self.hooks / "answer.new").write_text(text)
        (self.hooks / "answer.new").rename(self.hooks / "answer")

    def stop(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        self._stopped.add(pid)

    def go_on(self, pid: int) -> None:
        self._stopped.discard(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def let_go(self, *, but: int | None = None) -> None:
        """All that stands still goes on, but for one process."""
        if not (self.hooks / "answer").exists():
            self.answer("go on")
        for pid in self._stopped - {but}:
            self.go_on(pid)

    # --- what can be seen on the disk ----------------------------------------------------------------

    def rank(self, rank: int) -> int:
        """The process of a rank, as it said itself."""
        return int((self.hooks / f"pid_{rank}").read_text())

    def lines(self, number: int, action: str) -> list[dict]:
        lines = read_decisions(self.paths.decisions)
        return [line for line in lines if line["trial"] == number and line["action"] == action]

    def has_decided(self, number: int, num_reports: int) -> bool:
        lines = read_decisions(self.paths.decisions)
        return any(line["trial"] == number and (line["report"] or 0) >= num_reports for line in lines)

    def has_events(self, number: int, num_reports: int) -> bool:
        folder = self.paths.trial(number).root
        return folder.exists() and bool((read_scalars(folder)["step"] >= num_reports).any())

    def is_writing(self, number: int) -> bool:
        return any(self.paths.trial(number).checkpoints.glob(".*.new"))


def environment(hooks: Path) -> dict[str, str]:
    """Of the search and all that it starts."""
    path = os.pathsep.join([str(HERE.parents[1]), str(HERE)])
    ray = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
    return os.environ | ray | {"FAULTS_HOOKS": str(hooks), "PYTHONPATH": path}


def hooks_of(process: psutil.Process) -> str | None:
    """Tells the processes of one search from another's; None of what belongs to none, or has ended."""
    with suppress(psutil.Error):
        return process.environ().get("FAULTS_HOOKS")
    return None


# --- moments ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spot:
    """Where a search stands still."""

    number: int
    """of the trial"""
    rank: int
    """the process that a fault of a rank meets"""


def best_of(whole: Path) -> int:
    """The trial that the search trains the longest and finds the best."""
    rows = search_rows(read_trials(ExperimentPaths(whole).trials_csv))
    metric = next(iter(rows[0].best))
    return min(rows, key=lambda row: row.best[metric]).number


def worst_of(whole: Path) -> int:
    """A trial without which the rest of the search is the same."""
    rows = search_rows(read_trials(ExperimentPaths(whole).trials_csv))
    metric = next(iter(rows[0].best))
    return max(rows, key=lambda row: row.best[metric]).number


def before_the_first_report(search: Search, whole: Path) -> Spot:
    number = best_of(whole)
    return Spot(number, search.hold(number, 0, search.num_ranks - 1))


def while_training(search: Search, whole: Path) -> Spot:
    number = best_of(whole)
    if search.name == "mlp":
        search.wait_until(lambda: search.has_decided(number, 3))
        return Spot(number, _first_rank(search))
    return Spot(number, search.hold(number, 4, search.num_ranks - 1))


def in_a_checkpoint(search: Search, whole: Path) -> Spot:
    """Of which rank 0 writes all, and is stopped."""
    number = best_of(whole)
    if search.name == "mlp":
        search.wait_until(lambda: search.has_decided(number, 2))
        rank = _first_rank(search)
    else:
        rank = search.hold(number, 3)
        search.answer("go on")
    search.wait_until(lambda: _stopped_while(search, rank, lambda: search.is_writing(number)))
    return Spot(number, rank)


def in_a_report(search: Search, whole: Path) -> Spot:
    """It is on the disk as events, and the search's process, which is stopped, has not heard it."""
    number = best_of(whole)
    _report_unheard(search, number, 5)
    return Spot(number, search.rank(search.num_ranks - 1))


def in_a_pause(search: Search, whole: Path) -> Spot:
    """The trial is to pause, and rank 0, which is stopped, has not saved it."""
    number = best_of(whole)
    lines = read_decisions(ExperimentPaths(whole).decisions)
    report = next(line["report"] for line in lines if line["trial"] == number and line["action"] == "PAUSE")
    _report_unheard(search, number, report)
    time.sleep(DELIVERED_S)
    search.stop(search.rank(0))
    search.go_on(search.driver.pid)
    search.wait_until(lambda: search.lines(number, "PAUSE"))
    assert not search.lines(number, "SAVED")
    return Spot(number, search.rank(search.num_ranks - 1))


def while_confirming(search: Search, whole: Path) -> Spot:
    rows = read_trials(ExperimentPaths(whole).trials_csv)
    number = next(row.number for row in rows if row.confirms is not None)
    return Spot(number, search.hold(number, 3, search.num_ranks - 1))


MOMENTS = {
    "before the first report": before_the_first_report,
    "in a pause": in_a_pause,
    "in a checkpoint": in_a_checkpoint,
    "while training": while_training,
    "in a report": in_a_report,
    "while confirming": while_confirming,
}


def _report_unheard(search: Search, number: int, report: int) -> None:
    search.hold(number, report - 1)
    search.stop(search.driver.pid)
    search.answer("go on")
    search.wait_until(lambda: search.has_events(number, report))
    assert not search.has_decided(number, report)


def _stopped_while(search: Search, pid: int, is_so: Callable[[], bool]) -> bool:
    """Stops the process while that is so, if it is so now."""
    if not is_so():
        return False
    search.stop(pid)
    if not is_so():
        search.go_on(pid)
        return False
    return True


def _first_rank(search: Search) -> int:
    return min(process.pid for process in search.processes("ray::_Rank"))


def _is_called(process: psutil.Process, name: str) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.name() == name or " ".join(process.cmdline()).startswith(name)
    return False
