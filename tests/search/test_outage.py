"""A database that is away: it is waited for, and nothing is done twice."""

import logging
import socket
from pathlib import Path

import pytest
import sqlalchemy
from failing_sqlite import FailingSqlite
from outages import check_study, contents, open_patient, search_of_four, tell
from postgres_server import free_port

from tuner.errors import StorageError
from tuner.records.states import TrialState
from tuner.search.ahead import AskAhead
from tuner.search.outage import PAUSES_S, Outage, Patience, outage_of


class Away:
    """A database that fails so many times, and then answers."""

    def __init__(self, num_failures: int, error: Exception) -> None:
        self.num_left, self.error = num_failures, error
        self.slept: list[float] = []
        self.now_s = 0.0
        self.patience = Patience(self.sleep, lambda: self.now_s)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    def call(self) -> str:
        self.num_left -= 1
        if self.num_left >= 0:
            raise self.error
        return "answer"


LOST = sqlalchemy.exc.OperationalError("select", {}, Exception("no route\nto the host"))


def wrapped(error: Exception) -> Exception:
    """As Optuna does it."""
    outer = RuntimeError("an exception is raised during the commit")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    "error",
    [
        Outage("no route\nto the host"),
        LOST,
        wrapped(LOST),
        sqlalchemy.exc.InterfaceError("select", {}, Exception("no route")),
        sqlalchemy.exc.DBAPIError("select", {}, Exception("no route"), connection_invalidated=True),
        ConnectionResetError("no route"),
    ],
)
def test_it_is_tried_again_with_growing_pauses(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    away = Away(3, error)
    with caplog.at_level(logging.WARNING, "tuner"):
        assert away.patience.run(away.call, "db://host") == "answer"
    assert away.slept == [1.0, 2.0, 4.0]
    first, last = [record.getMessage() for record in caplog.records]
    assert first.startswith("db://host does not answer (no route")
    assert "\n" not in first
    assert last == "db://host answers again after 7 s"


@pytest.mark.parametrize(
    "error", [ValueError("x"), OSError(28, "full"), sqlalchemy.exc.IntegrityError("insert", {}, Exception())]
)
def test_what_is_no_outage_is_raised_at_once(error: Exception) -> None:
    away = Away(1, error)
    assert outage_of(error) is None
    with pytest.raises(type(error)):
        away.patience.run(away.call, "db://host")
    assert away.slept == []


def test_it_is_given_up_in_the_end() -> None:
    away = Away(10**6, LOST)
    with pytest.raises(StorageError, match=r"a database that answers, but db://host did not for 31 s \(no r"):
        away.patience.run(away.call, "db://host")
    assert away.slept == list(PAUSES_S)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    searcher = open_patient(f"sqlite:///{tmp_path_factory.mktemp('whole')}/study.db")
    suggestions = search_of_four(searcher)
    check_study(searcher, suggestions)
    return contents(searcher)


@pytest.mark.parametrize("is_lost_answer", [False, True])
@pytest.mark.parametrize(("trials", "spread"), [(4, 43), pytest.param(1, 2, marks=pytest.mark.faults)])
def test_one_statement_fails(
    tmp_path: Path, undisturbed: list[object], is_lost_answer: bool, trials: int, spread: int
) -> None:
    network = FailingSqlite()
    with network.in_place():
        at = num_calls = 1
        while at <= num_calls:
            searcher = open_patient(f"sqlite:///{tmp_path}/study.db", name=f"at {at}")
            before = network.num_calls
            network.fail_at(at, is_lost_answer=is_lost_answer)
            suggestions = search_of_four(searcher, range(trials))
            num_calls = network.num_calls - before
            network.mend()
            check_study(searcher, suggestions)
            assert contents(searcher) == undisturbed[:trials], at
            at += spread


@pytest.mark.parametrize("is_lost_answer", [False, True])
@pytest.mark.parametrize("spread", [43, pytest.param(19, marks=pytest.mark.faults)])
def test_it_is_away_for_good_from_one_statement_on(
    tmp_path: Path, undisturbed: list[object], is_lost_answer: bool, spread: int
) -> None:
    """Another process goes on with what this one left."""
    network = FailingSqlite()
    with network.in_place():
        at, is_undisturbed = 1, False
        while not is_undisturbed:
            url, name = f"sqlite:///{tmp_path}/study.db", f"at {at}"
            searcher = open_patient(url, name=name, sleep=lambda seconds: setattr(network, "is_away", True))
            network.fail_at(at, is_lost_answer=is_lost_answer)
            try:
                search_of_four(searcher)
                is_undisturbed = True
            except StorageError:
                network.mend()
                go_on(url, name)
            network.mend()
            assert contents(open_patient(url, name=name)) == undisturbed, at
            at += spread


def go_on(url: str, name: str) -> None:
    """What a resumed search does: ends what was left, and then goes on with new trials."""
    searcher = open_patient(url, name=name)
    for suggestion in searcher.unfinished():
        tell(searcher, suggestion)
    search_of_four(searcher, range(len(searcher.observations()), 4))


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe", "gp", "cmaes", "nsgaii"])
def test_a_trial_that_is_half_drawn_is_completed_as_it_would_have_been(tmp_path: Path, sampler: str) -> None:
    whole = open_patient(f"sqlite:///{tmp_path}/whole.db", sampler)
    expected = search_of_four(whole)
    network = FailingSqlite()
    with network.in_place():
        url = f"sqlite:///{tmp_path}/half.db"
        searcher = open_patient(url, sampler, sleep=lambda seconds: setattr(network, "is_away", True))
        search_of_four(searcher, range(3))
        network.fail_at(3, is_lost_answer=False, kind="INSERT INTO trial_params")
        with pytest.raises(StorageError):
            searcher.suggest()
        network.mend()
        half = searcher._study.get_trials()[3].params
        assert half == dict(list(expected[3].params.items())[:2])
        assert open_patient(url, sampler).unfinished() == [expected[3]]


def test_an_end_is_told_once(tmp_path: Path) -> None:
    searcher = open_patient(f"sqlite:///{tmp_path}/study.db")
    search_of_four(searcher, range(1))
    before = contents(searcher)
    searcher.finish(0, TrialState.FAILED, None, "again")
    assert contents(searcher) == before


def test_the_thread_that_asks_ahead_hands_the_error_on(tmp_path: Path) -> None:
    network = FailingSqlite()
    with network.in_place():
        asker = AskAhead(open_patient(f"sqlite:///{tmp_path}/study.db"), trials=9, num_held=1)
        first = asker.suggest()
        assert first is not None
        network.is_away = True
        asker.report(first.number, 1, 1.0)
        with pytest.raises(StorageError, match="did not for"):
            suggest_all(asker)
        asker.close()


def suggest_all(asker: AskAhead) -> None:
    while asker.suggest() is not None:
        pass


def test_a_server_that_is_away_at_the_beginning() -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql://me:secret@127.0.0.1:{free_port()}/studies"
    with pytest.raises(
        StorageError, match=r"me:\*\*\*@127.0.0.1.* did not for .*Connection refused"
    ) as caught:
        open_patient(url)
    assert "secret" not in str(caught.value)


def test_a_server_that_accepts_and_is_silent() -> None:
    pytest.importorskip("psycopg")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/studies?connect_timeout=2"
        with pytest.raises(StorageError, match="did not for .*timeout"):
            open_patient(url, pauses_s=())
