"""A search whose study's database goes away for good in the middle: it ends, and goes on as if nothing had.

Searcher, study, scheduler and conductor are real; the gang is made up.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from execution_fakes import conduct
from failing_sqlite import FailingSqlite
from postgres_server import Proxy

from tuner.errors import StorageError
from tuner.execution.conductor import Conductor, new_state
from tuner.execution.decisions import read_decisions
from tuner.execution.resume import catch_up, replay
from tuner.execution.runner import _saying_how_to_go_on, _undone_where_refused
from tuner.execution.state import REPORTED
from tuner.records.paths import ExperimentPaths
from tuner.search.ahead import make_asker
from tuner.search.factory import make_scheduler, make_searcher
from tuner.search.outage import Patience
from tuner.spec import Experiment, Float
from tuner.training.report import Report

FULL = 4
WRITES_A_REPORT = "INSERT INTO trial_intermediate_values"
SEARCHES = {
    "tpe": {"sampler": "tpe", "scheduler": "none"},
    "promotion": {"scheduler": {"type": "asha", "variant": "promotion"}},
}


def trains(config: dict[str, Any], trial: Any) -> Iterator[dict[str, float]]:
    yield {"loss": 0.0}


def losses(params: dict[str, Any]) -> list[float]:
    return [abs(params["x"] - 0.3) + params["y"] / step for step in range(1, FULL + 1)]


class Search:
    """One experiment in a folder and a database; `away` is called at each pause of an outage."""

    def __init__(self, folder: Path, storage: str, name: str, away: Callable[[], None]) -> None:
        folder.mkdir()
        self.paths = ExperimentPaths(folder)
        self.experiment = Experiment(
            train=trains,
            name=folder.name,
            space={"x": Float(0.0, 1.0), "y": Float(0.1, 1.0, log=True)},
            metric="loss",
            trials=5,
            max_reports=FULL,
            checkpoints=True,
            storage=storage,
            **SEARCHES[name],
        )
        self._patience = Patience(sleep=lambda seconds: away())

    def begin(self, num_gangs: int = 1) -> Conductor:
        """A process that goes on with what is there."""
        experiment, search = self.experiment, self.experiment.search
        state, scheduler = new_state(experiment), make_scheduler(search, FULL, experiment.space)
        curves = replay(self.paths.decisions, search, state, scheduler)
        self.searcher = self._open()
        drawn = catch_up(self.searcher, search, state, curves)
        num_left = search.trials - state.num_suggested - len(drawn)
        asker = make_asker(self.searcher, trials=num_left, num_gangs=num_gangs, drawn=drawn)
        return Conductor(
            experiment,
            self.paths,
            asker,
            scheduler,
            store_of=lambda data: self.paths.root,
            num_gangs=num_gangs,
            state=state,
        )

    def run(self, arm: Callable[[], None] = lambda: None) -> None:
        """To the end, or to a StorageError; `arm` is called when the study is open."""
        conductor = self.begin()
        arm()
        try:
            with conductor.noting_trouble():
                conduct(conductor, losses)
        finally:
            conductor.close("over")

    def outcome(self) -> list[Any]:
        rows = self.paths.trials_csv.read_text().splitlines()
        told = [(seen.number, seen.params, seen.curve, seen.state) for seen in self._open().observations()]
        return [[row.split(",")[:3] for row in rows], told, self._decided()]

    def _decided(self) -> list[Any]:
        """The reports and ends in their order, as decided; a report that comes again is none."""
        kept = ("trial", "action", "report", "metrics", "reason", "state")
        lines = read_decisions(self.paths.decisions)
        return [
            [line.get(key) for key in kept] for line in lines if line["report"] is not None or "state" in line
        ]

    def _open(self) -> Any:
        experiment = self.experiment
        return make_searcher(
            experiment.space,
            experiment.search,
            experiment.search.storage,
            study_name=experiment.name,
            max_reports=FULL,
            patience=self._patience,
        )


@pytest.mark.parametrize("is_lost_answer", [False, True])
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("spread", [101, pytest.param(61, marks=pytest.mark.faults)])
def test_a_file_that_is_away_for_good(tmp_path: Path, name: str, is_lost_answer: bool, spread: int) -> None:
    network = FailingSqlite()
    url = f"sqlite:///{tmp_path}/studies.db"

    def search_in(folder: str) -> Search:
        return Search(tmp_path / folder, url, name, lambda: setattr(network, "is_away", True))

    with network.in_place():
        whole = search_in("whole")
        whole.run()
        for at in range(1, network.num_calls, spread):
            search = search_in(f"at_{at}")
            arm = partial(network.fail_at, at, is_lost_answer=is_lost_answer)
            is_away = goes_away(search, arm)
            network.mend()
            if is_away:
                search.run()
            assert search.outcome() == whole.outcome(), at


def goes_away(search: Search, arm: Callable[[], None]) -> bool:
    """Runs; whether the database went away, after which nothing was written."""
    try:
        search.run(arm)
    except StorageError as error:
        assert "a database that answers" in str(error)  # noqa: PT017
        assert "LEAVE" not in {line["action"] for line in read_decisions(search.paths.decisions)}
        return True
    return False


@pytest.mark.postgres
@pytest.mark.parametrize("is_lost_answer", [False, True])
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("spread", [149, pytest.param(97, marks=pytest.mark.faults)])
def test_a_server_that_is_away_for_good(
    tmp_path: Path, postgres: int, name: str, is_lost_answer: bool, spread: int
) -> None:
    proxy = Proxy(postgres)
    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
    prefix = f"{name}_{is_lost_answer}_{spread}"

    def search_in(folder: str) -> Search:
        return Search(tmp_path / f"{prefix}_{folder}", url, name, proxy.refuse)

    whole = search_in("whole")
    whole.run()
    for at in range(2, proxy.num_packets, spread):
        search = search_in(f"at_{at}")
        is_away = goes_away(search, partial(proxy.drop_after, at, is_lost_answer=is_lost_answer))
        proxy.mend()
        if is_away:
            search.run()
        assert search.outcome() == whole.outcome(), at
    proxy.close()


def test_after_the_error_nothing_is_written_and_nothing_begins(tmp_path: Path) -> None:
    network = FailingSqlite()
    with network.in_place():
        search = Search(tmp_path / "one", f"sqlite:///{tmp_path}/studies.db", "tpe", lambda: None)
        conductor = search.begin()
        job = conductor.next()
        assert job is not None
        conductor.on_start(job.number)
        network.is_away = True
        with pytest.raises(StorageError, match="did not for"), conductor.noting_trouble():
            conductor.on_report(job.number, Report(1, {"loss": 1.0}, None, ""), ["node"])
        before = search.paths.decisions.read_bytes()
        with pytest.raises(StorageError, match="did not for"):
            conductor.next()
        with pytest.raises(StorageError, match="did not for"):
            conductor.on_fault(job.number, "lost", "its gang is gone")
        conductor.close("over")
        assert search.paths.decisions.read_bytes() == before
        assert json.loads(before.splitlines()[-1])["action"] != "LEAVE"


def test_the_sentence_says_how_to_go_on(tmp_path: Path) -> None:
    paths = ExperimentPaths(tmp_path / "one")
    paths.root.mkdir()
    with pytest.raises(StorageError, match=r"did not; nothing is lost: .* go on with: tuner resume .*/one$"):
        fail_in(_saying_how_to_go_on(paths))


def test_a_database_that_is_away_at_the_beginning_leaves_nothing_behind(tmp_path: Path) -> None:
    paths = ExperimentPaths(tmp_path / "results" / "one")

    @contextmanager
    def beginning() -> Iterator[None]:
        with _saying_how_to_go_on(paths), _undone_where_refused(paths):
            paths.root.mkdir(parents=True)
            yield

    with pytest.raises(StorageError, match=r"did not; nothing was begun: set that right, and begin again$"):
        fail_in(beginning())
    assert list(tmp_path.iterdir()) == []


def fail_in(block: AbstractContextManager[Any]) -> None:
    with block:
        raise StorageError("a database must answer, but it did not")


@pytest.mark.parametrize("is_lost_answer", [False, True])
def test_a_database_that_goes_away_between_a_pause_and_its_checkpoint(
    tmp_path: Path, is_lost_answer: bool
) -> None:
    """The pause stands, its checkpoint does not: the trial trains to that report again, and pauses there."""
    network = FailingSqlite()
    url = f"sqlite:///{tmp_path}/studies.db"

    def search_in(folder: str) -> Search:
        return Search(tmp_path / folder, url, "promotion", lambda: setattr(network, "is_away", True))

    with network.in_place():
        whole = search_in("whole")
        whole.run()
        for nth in some_pauses(whole):
            search = search_in(f"report_{nth}")
            arm = partial(network.fail_at, nth, is_lost_answer=is_lost_answer, kind=WRITES_A_REPORT)
            assert goes_away(search, arm)
            *before, pause = read_decisions(search.paths.decisions)
            assert pause["action"] == "PAUSE"
            network.mend()
            search.run()
            assert search.outcome() == whole.outcome(), nth
            lines = list(read_decisions(search.paths.decisions))[len(before) :]
            actions = [line["action"] for line in lines if line["trial"] == pause["trial"]]
            assert actions[:3] == ["PAUSE", "START", "SAVED"], nth


def some_pauses(search: Search) -> list[int]:
    """Which of all reports were answered with the first pause, and with the first one of a resumed trial."""
    reports = [line for line in read_decisions(search.paths.decisions) if line["action"] in REPORTED]
    pauses = [(nth, line) for nth, line in enumerate(reports, start=1) if line["action"] == "PAUSE"]
    return [pauses[0][0], next(nth for nth, line in pauses if line["report"] > 1)]
