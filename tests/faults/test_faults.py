"""Faults x moments: each for real, in a real search, and each search ends as if nothing had happened.

The table has 50 cells (fault and moment), of which one search meets several on its way; four of them come in
a model of ours as well. 17 more are in the tests after it and in `test_lost_nodes.py`:

    moment       before the    in a     in a       while     in a     while
                 first report  pause  checkpoint  training  report  confirming
    killed            x          x        x          x        x         x      rank, trainable, search
    SIGTERM           x          x        x          x        x         x
    SIGINT            x          x        x          x        x         x
    SIGINT twice                 x        x                             x
    rank hangs        x          x        x          x        x         x      it sleeps, or is stopped
    rank crashes                 x                   x
    rank raises       x                              x                  x
    memory            x                              x                  x      at the first: a model of ours
    not finite        x                              x                  x
    node lost         x          x                   x                  x
    no checkpoint                x        x                                       its folder, or no room
    disk full                                        x
    clock set                                        x                  x
    raylet, GCS                                      x

A function raises, fills memory or reports what is not finite nowhere else. A study's database that is away is
in `tests/execution/test_storage_outage.py`: at each of its statements.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from folders import check, check_by_itself, curves
from program import RETRIES, WIDE_BATCH
from searches import MOMENTS, Search, Spot, while_training, worst_of

from tuner.execution.decisions import read_decisions
from tuner.records.checkpoints import newest_sound
from tuner.records.event_reader import event_files
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials
from tuner.records.states import TrialState

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

WIDE_SPARE_BYTES = 1_650_000_000
"""Between what the rows of `wide` need and what half of them do, with all that a rank loads besides."""

Fault = Callable[[Search, Spot], None]


@dataclass(frozen=True)
class Row:
    """What happens to which search, at one moment of its way after the other."""

    search: str
    cells: tuple[tuple[str, str], ...]
    """Fault and moment."""

    @property
    def id(self) -> str:
        return f"{', '.join(f'{fault} {moment}' for fault, moment in self.cells)} ({self.search})"


def at(search: str, fault: str, *moments: str) -> Row:
    """The same fault at each of the moments."""
    return Row(search, tuple((fault, moment) for moment in moments))


# --- faults of a rank and of its trainable: the search goes on by itself ------------------------------------


def rank_is_killed(search: Search, spot: Spot) -> None:
    os.kill(spot.rank, signal.SIGKILL)
    search.let_go()


def rank_crashes(search: Search, spot: Spot) -> None:
    os.kill(spot.rank, signal.SIGSEGV)
    search.let_go()


def rank_is_stopped(search: Search, spot: Spot) -> None:
    search.stop(spot.rank)
    search.let_go(but=spot.rank)


def rank_hangs(search: Search, spot: Spot) -> None:
    search.answer("hang")


def rank_raises(search: Search, spot: Spot) -> None:
    search.answer("raise")


def trainable_is_killed(search: Search, spot: Spot) -> None:
    """Its rank trains on until it hears of it, and might come to the next moment."""
    [trainable] = search.processes("ray::TrialRunner")
    trainable.kill()
    search.let_go()
    search.wait_until(lambda: not psutil.pid_exists(spot.rank))


# --- faults of the search itself: it is resumed -----------------------------------------------------------


def search_is_killed(search: Search, spot: Spot) -> None:
    search.driver.kill()
    search.let_go()
    assert search.end() == -signal.SIGKILL
    search.begin()


def search_is_terminated(search: Search, spot: Spot) -> None:
    search.driver.terminate()
    search.let_go()
    assert search.end() == 130, search.account("not interrupted")
    search.begin()


def search_is_interrupted(search: Search, spot: Spot) -> None:
    os.killpg(search.driver.pid, signal.SIGINT)
    search.let_go()
    assert search.end() == 130, search.account("not interrupted")
    search.begin()


def search_is_interrupted_twice(search: Search, spot: Spot) -> None:
    """The second time at once: the rank, which stands still, saves nothing."""
    os.killpg(search.driver.pid, signal.SIGINT)
    search.wait_until(search.paths.give_back.exists)
    os.killpg(search.driver.pid, signal.SIGINT)
    assert search.end() == 130, search.account("not interrupted")
    assert search.lines(spot.number, "LEAVE") == []
    search.let_go()
    search.begin()


def cluster_part_is_killed(name: str) -> Fault:
    """Of the search's own cluster. Where Ray does without, the search ends well, else in an error."""

    def fault(search: Search, spot: Spot) -> None:
        [process] = search.processes(name)
        process.kill()
        search.let_go()
        if search.end() != 0:
            search.begin()

    return fault


def newest_checkpoint_is_damaged(search: Search, spot: Spot) -> None:
    search.driver.kill()
    assert search.end() == -signal.SIGKILL
    assert search.wait_until_gone() == []
    newest = newest_sound(search.paths.trial(spot.number))
    assert newest is not None
    file = max(
        (path for path in newest.folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert newest_sound(search.paths.trial(spot.number)) != newest
    search.let_go()
    search.begin()


def clock_is_set(seconds: float) -> Fault:
    """And a part of the training follows after a kill, so that there is a file of events from after it."""

    def fault(search: Search, spot: Spot) -> None:
        search.hooks.joinpath("clock").write_text(str(seconds))
        search_is_killed(search, spot)

    return fault


FAULTS: dict[str, Fault] = {
    "rank killed": rank_is_killed,
    "rank crashes": rank_crashes,
    "rank stopped": rank_is_stopped,
    "rank hangs": rank_hangs,
    "rank raises": rank_raises,
    "trainable killed": trainable_is_killed,
    "SIGKILL": search_is_killed,
    "SIGTERM": search_is_terminated,
    "SIGINT": search_is_interrupted,
    "SIGINT twice": search_is_interrupted_twice,
    "raylet killed": cluster_part_is_killed("raylet"),
    "gcs_server killed": cluster_part_is_killed("gcs_server"),
    "SIGKILL and a damaged checkpoint": newest_checkpoint_is_damaged,
    "clock a day back and SIGKILL": clock_is_set(-86400.0),
    "clock a day on and SIGKILL": clock_is_set(86400.0),
}

TRAINING = "while training"

ROWS = [
    at("pair", "rank killed", *(moment for moment in MOMENTS if moment != "in a pause")),
    at("pair", "rank crashes", TRAINING),
    at("pair", "rank stopped", "in a pause", "in a checkpoint", TRAINING, "in a report"),
    at("pair", "rank hangs", "before the first report", TRAINING, "while confirming"),
    at("steady", "rank raises", "before the first report", "while confirming"),
    at("steady", "trainable killed", *MOMENTS),
    at("adaptive", "SIGKILL", *MOMENTS),
    # A search that leaves trains to its next report, so not all moments are on one way.
    at("adaptive", "SIGTERM", "before the first report", "in a checkpoint", "while confirming"),
    Row("adaptive", (("SIGTERM", "in a pause"), ("SIGTERM", TRAINING), ("SIGINT", "while confirming"))),
    Row("adaptive", (("SIGINT", "before the first report"), ("SIGTERM", "in a report"))),
    at("adaptive", "SIGINT", "in a pause", "in a checkpoint"),
    Row(
        "adaptive",
        (
            ("SIGINT twice", "in a checkpoint"),
            ("SIGINT", TRAINING),
            ("SIGINT twice", "while confirming"),
        ),
    ),
    at("adaptive", "raylet killed", TRAINING),
    at("adaptive", "gcs_server killed", TRAINING),
    Row(
        "adaptive",
        (("clock a day back and SIGKILL", TRAINING), ("clock a day on and SIGKILL", "while confirming")),
    ),
    at("mlp", "rank killed", TRAINING),
    at("mlp", "SIGKILL", TRAINING),
    Row("adaptive", (("SIGKILL and a damaged checkpoint", TRAINING), ("SIGINT", "in a report"))),
    at("mlp", "SIGKILL and a damaged checkpoint", TRAINING),
]
QUICK = [
    at("pair", "rank killed", "in a pause"),
    at("steady", "rank raises", TRAINING),
    at("steady", "SIGKILL", "in a report"),
]
"""For `make test`, with one trial that diverges."""


def test_the_table_has_all_that_is_said_of_it():
    cells = {cell for row in ROWS + QUICK for cell in row.cells}
    assert len(cells) == 48
    assert {fault for fault, _ in cells} == set(FAULTS)
    for fault in ("rank killed", "trainable killed", "SIGKILL", "SIGTERM", "SIGINT"):
        assert {moment for each, moment in cells if each == fault} == set(MOMENTS)


def rows() -> list:
    quick = [pytest.param(row, id=row.id) for row in QUICK]
    return quick + [pytest.param(row, id=row.id, marks=pytest.mark.faults) for row in ROWS]


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory, where the test's results are."""

    folder: Path

    def fill(self, leave_bytes: int) -> None:
        free = os.statvfs(self.folder)
        # Somebody else may have taken what was free.
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            file.write(bytes(max(0, free.f_bavail * free.f_bsize - leave_bytes)))

    def keep(self) -> None:
        """What others remove from now on makes no room: each file has a second name here."""
        self._kept.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # a folder goes while it is walked
            for path in self.folder.glob("[!.]*/**/*"):
                with suppress(OSError):
                    os.link(path, self._kept / str(path.stat().st_ino))

    def make_room(self) -> None:
        self._ballast.unlink()
        shutil.rmtree(self._kept, ignore_errors=True)

    @property
    def _kept(self) -> Path:
        return self.folder / ".kept"

    @property
    def _ballast(self) -> Path:
        return self.folder / "full"


@pytest.fixture
def small_disk(tmp_path) -> Iterator[SmallDisk]:
    folder = tmp_path / "results"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("row", rows())
def test_the_search_ends_as_if_nothing_had_happened(row, whole_of, search_of):
    whole, search = whole_of(row.search), search_of(row.search)
    search.begin()
    for fault, moment in row.cells:
        FAULTS[fault](search, MOMENTS[moment](search, whole))
    assert search.end() == 0, search.account("it failed")
    check(search.paths.root, whole)


@pytest.mark.parametrize(
    ("answer", "num_reports", "state"),
    [
        pytest.param("raise", 0, TrialState.FAILED, marks=pytest.mark.faults),
        pytest.param("raise", 1, TrialState.FAILED, marks=pytest.mark.faults),
        pytest.param("fill", 1, TrialState.INFEASIBLE, marks=pytest.mark.faults),
        ("nan", 1, TrialState.DIVERGED),
    ],
)
def test_a_trial_that_never_ends_well_harms_no_other(answer, num_reports, state, whole_of, search_of):
    whole, search = whole_of("steady"), search_of("steady")
    number = worst_of(whole)
    search.begin()
    search.hold(number, num_reports)
    search.answer(answer, again=True)
    assert search.end() == 0, search.account("it failed")
    check(search.paths.root, whole, but=[number])
    row = read_trials(search.paths.trials_csv)[number]
    assert (row.state, row.retries) == (state, RETRIES if state is TrialState.FAILED else 0)
    losses, expected = (curves(root, number).get("loss", []) for root in (search.paths.root, whole))
    assert losses[:num_reports] == expected[:num_reports]


@pytest.mark.faults
def test_at_the_first_report_and_while_confirming(whole_of, search_of):
    whole, search = whole_of("steady"), search_of("steady")
    rows = read_trials(ExperimentPaths(whole).trials_csv)
    worst, (first, second) = worst_of(whole), [row.number for row in rows if row.confirms is not None]
    search.begin()
    for number, num_reports, answer in ((worst, 0, "nan"), (first, 2, "nan"), (second, 0, "fill")):
        search.hold(number, num_reports)
        search.answer(answer)
        search.wait_until(lambda number=number: has_ended(search, number), may_end=True)
    assert search.end() == 0, search.account("it failed")
    check(search.paths.root, whole, but=[worst, rows[first].confirms, first, second])
    states = [row.state for row in read_trials(search.paths.trials_csv)]
    assert [states[number] for number in (worst, first, second)] == [
        TrialState.DIVERGED,
        TrialState.DIVERGED,
        TrialState.INFEASIBLE,
    ]


def has_ended(search: Search, number: int) -> bool:
    return any(line["trial"] == number and "state" in line for line in read_decisions(search.paths.decisions))


@pytest.mark.faults
def test_a_model_whose_rows_do_not_fit_into_memory(whole_of, search_of):
    """Half of them do: so they pass one half after the other, also in the next trial; that is no retry."""
    whole, search = whole_of("wide"), search_of("wide")
    limited: list[psutil.Process] = []
    search.begin()
    search.wait_until(lambda: _limit_memory(search, limited), may_end=True)
    assert search.end() == 0, search.account("it failed")
    check_by_itself(search.paths.root)
    rows = read_trials(search.paths.trials_csv)
    assert [(row.state, row.retries) for row in rows] == [(TrialState.COMPLETE, 1), (TrialState.COMPLETE, 0)]
    [retry] = search.lines(0, "RETRY")
    assert (retry["fault"], retry["micro_batch"]) == ("memory", WIDE_BATCH // 2)
    assert retry["reason"] == f"out of memory at micro-batch {WIDE_BATCH}: goes on with {WIDE_BATCH // 2}"
    assert "DefaultCPUAllocator: can't allocate memory" in search.paths.trial(0).log.read_text()
    for number in (0, 1):
        found, expected = (losses_of(root, number) for root in (search.paths.root, whole))
        assert found == pytest.approx(expected, rel=1e-5), number


def _limit_memory(search: Search, limited: list[psutil.Process]) -> bool:
    """Leaves each rank some memory, when its first trial begins; whether the search has ended."""
    begun = len(event_files(search.paths.trial(0).root)) if search.paths.trial(0).root.exists() else 0
    for rank in search.processes("ray::_Rank"):
        if rank not in limited and begun > len(limited):
            limit = rank.memory_info().data + WIDE_SPARE_BYTES
            rank.rlimit(psutil.RLIMIT_DATA, (limit, limit))
            limited.append(rank)
    return not search.is_running


def losses_of(folder: Path, number: int) -> list[float]:
    found = curves(folder, number)
    return [float(value) for tag in ("train/loss", "val/loss") for _, value in found[tag]]


@pytest.mark.faults
def test_a_folder_where_no_checkpoint_can_be_written(whole_of, search_of):
    """The trial fails when it is to pause, after its retries."""
    whole, search = whole_of("steady"), search_of("steady")
    number = worst_of(whole)
    search.begin()
    search.hold(number, 0)
    search.paths.trial(number).checkpoints.write_text("no folder")
    search.answer("go on")
    assert search.end() == 0, search.account("it failed")
    check(search.paths.root, whole, but=[number])
    row = read_trials(search.paths.trials_csv)[number]
    assert row.state is TrialState.FAILED
    assert "a checkpoint must be written before its trial stands still" in row.reason


@pytest.mark.faults
def test_one_process_at_a_time_and_a_lock_that_a_killed_one_left(whole_of, search_of):
    whole, search = whole_of("adaptive"), search_of("adaptive")
    search.begin()
    spot = while_training(search, whole)
    assert re.fullmatch(
        rf"tuner: an experiment is run by one process at a time, but .* is being run by process "
        rf"{search.driver.pid} on host .*; wait for it, or end it with: tuner stop .*",
        search.refused(),
    )
    search_is_killed(search, spot)
    assert search.end() == 0, search.account("it failed")
    check(search.paths.root, whole)


@pytest.mark.faults
def test_a_full_disk_ends_the_search_and_it_goes_on_with_room(whole_of, search_of, small_disk):
    whole, search = whole_of("adaptive"), search_of("adaptive")
    search.begin()
    while_training(search, whole)
    search.let_go()
    while search.is_running:
        # Again and again, for the search removes and makes files of its own.
        small_disk.keep()
        small_disk.fill(leave_bytes=0)
    assert search.end() == 1, search.account("it did not fail")
    assert "does not take them" in search.messages.read_text()
    small_disk.make_room()
    search.begin()
    assert search.end() == 0, search.account("it failed")
    check(search.paths.root, whole)


@pytest.mark.faults
def test_a_disk_without_room_for_checkpoints(whole_of, search_of, small_disk):
    whole, search = whole_of("adaptive"), search_of("adaptive")
    search.begin()
    spot = while_training(search, whole)
    small_disk.fill(leave_bytes=2**20)
    search.let_go()
    log = search.paths.trial(spot.number).log
    search.wait_until(lambda: "a checkpoint must be written" in log.read_text())
    small_disk.make_room()
    assert search.end() == 0, search.account("it failed")
    check(search.paths.root, whole)
