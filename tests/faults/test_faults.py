"""Faults x moments: each for real, in a real search, and each search ends as if nothing had happened."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from folders import check, check_processes, shared_memory_files
from searches import MOMENTS, Search, Spot

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

Fault = Callable[[Search, Spot], None]


@dataclass(frozen=True)
class Cell:
    """What happens to which search, and when."""

    fault: str
    moment: str
    search: str

    @property
    def id(self) -> str:
        return f"{self.fault} {self.moment} ({self.search})"


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
    [trainable] = search.processes("ray::TrialRunner")
    trainable.kill()
    search.let_go()


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
}

IN_THE_FUNCTION = ("before the first report", "while training", "while confirming")

CELLS = [
    *(Cell("rank killed", moment, "pair") for moment in MOMENTS),
    *(Cell("rank crashes", moment, "pair") for moment in ("while training", "in a pause")),
    *(Cell("rank stopped", moment, "pair") for moment in ("while training", "in a checkpoint", "in a pause")),
    *(Cell("rank hangs", moment, "pair") for moment in IN_THE_FUNCTION),
    *(Cell("rank raises", moment, "steady") for moment in IN_THE_FUNCTION),
    *(Cell("trainable killed", moment, "steady") for moment in MOMENTS),
    *(Cell("SIGKILL", moment, "adaptive") for moment in MOMENTS),
    *(Cell("SIGTERM", moment, "adaptive") for moment in MOMENTS),
    *(Cell("SIGINT", moment, "adaptive") for moment in ("while training", "in a pause")),
    *(Cell("rank killed", moment, "mlp") for moment in ("while training",)),
    *(Cell("SIGKILL", moment, "mlp") for moment in ("while training", "in a checkpoint")),
    *(Cell("SIGTERM", moment, "mlp") for moment in ("while training",)),
]
QUICK = {
    Cell("rank killed", "in a pause", "pair"),
    Cell("rank raises", "while training", "steady"),
    Cell("SIGKILL", "in a report", "adaptive"),
}


def cells() -> Iterator[object]:
    for cell in CELLS:
        marks = () if cell in QUICK else (pytest.mark.faults,)
        yield pytest.param(cell, id=cell.id, marks=marks)


@pytest.fixture(scope="module", autouse=True)
def ray_folder(monkeypatch_module) -> Iterator[None]:
    """Ray's own files; short, for the names of its sockets."""
    folder = tempfile.mkdtemp(prefix="ray")
    monkeypatch_module.setenv("RAY_TMPDIR", folder)
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def whole_of(ray_folder, tmp_path_factory) -> Callable[[str], Path]:
    """The folder of a search that met no fault; searches of one function share it."""
    found: dict[str, Path] = {}

    def whole(name: str) -> Path:
        name = "steady" if name == "pair" else name
        if name not in found:
            search = Search(name, tmp_path_factory.mktemp(name))
            search.begin()
            assert search.end() == 0, search.account("it failed without a fault")
            found[name] = search.paths.root
        return found[name]

    return whole


@pytest.fixture
def search_of(tmp_path, ray_folder) -> Iterator[Callable[..., Search]]:
    """Makes the test's search; afterwards nothing of it may live."""
    shared_memory, made = shared_memory_files(), []

    def make(name: str, **options: str) -> Search:
        made.append(Search(name, tmp_path, **options))
        return made[-1]

    yield make
    for search in made:
        try:
            check_processes(search.seen, shared_memory)
        finally:
            for process in search.seen:
                if process.is_running():
                    process.kill()


@pytest.mark.parametrize("cell", cells())
def test_the_search_ends_as_if_nothing_had_happened(cell, whole_of, search_of):
    whole, search = whole_of(cell.search), search_of(cell.search)
    search.begin()
    FAULTS[cell.fault](search, MOMENTS[cell.moment](search, whole))
    assert search.end() == 0, search.account("it failed")
    check(search.paths.root, whole)
