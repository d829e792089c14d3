"""Connections to a real PostgreSQL that break at any moment: before or after any packet of a search."""

from collections.abc import Iterator

import pytest
from outages import check_study, contents, open_patient, search_of_four, tell
from postgres_server import Proxy
from test_outage import go_on

from tuner.errors import StorageError
from tuner.search.outage import Patience
from tuner.search.postgres import ImpatientConnection

pytestmark = pytest.mark.postgres


@pytest.fixture
def proxy(postgres: int) -> Iterator[Proxy]:
    proxy = Proxy(postgres)
    yield proxy
    proxy.close()


def url_of(port: int) -> str:
    return f"postgresql://postgres:secret@127.0.0.1:{port}/postgres"


@pytest.fixture(scope="module")
def undisturbed(postgres: int) -> list[object]:
    searcher = open_patient(url_of(postgres), name="undisturbed")
    check_study(searcher, search_of_four(searcher))
    return contents(searcher)


@pytest.mark.parametrize("is_lost_answer", [False, True])
@pytest.mark.parametrize(("trials", "spread"), [(4, 23), pytest.param(1, 5, marks=pytest.mark.faults)])
def test_a_connection_breaks(
    proxy: Proxy, undisturbed: list[object], is_lost_answer: bool, trials: int, spread: int
) -> None:
    at = num_packets = 1
    while at <= num_packets:
        searcher = open_patient(url_of(proxy.port), name=f"breaks {at} {is_lost_answer} {spread}")
        before = proxy.num_packets
        proxy.drop_after(at, is_lost_answer=is_lost_answer)
        suggestions = search_of_four(searcher, range(trials))
        num_packets = proxy.num_packets - before
        proxy.mend()
        check_study(searcher, suggestions)
        assert contents(searcher) == undisturbed[:trials], at
        at += spread


@pytest.mark.parametrize("is_lost_answer", [False, True])
@pytest.mark.parametrize("spread", [47, pytest.param(29, marks=pytest.mark.faults)])
def test_the_server_is_away_for_good_from_one_packet_on(
    postgres: int, undisturbed: list[object], is_lost_answer: bool, spread: int
) -> None:
    at, is_reached = 1, True
    while is_reached:
        name = f"for good {at} {is_lost_answer} {spread}"
        proxy = Proxy(postgres)
        searcher = open_patient(url_of(proxy.port), name=name, sleep=lambda _, proxy=proxy: proxy.refuse())
        before = proxy.num_packets
        proxy.drop_after(at, is_lost_answer=is_lost_answer)
        try:
            search_of_four(searcher)
        except StorageError:
            go_on(url_of(postgres), name)
        is_reached = proxy.num_packets - before >= at
        proxy.close()
        assert contents(open_patient(url_of(postgres), name=name)) == undisturbed, at
        at += spread


def test_connections_that_were_dropped_meanwhile_are_not_used(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    searcher = open_patient(url_of(proxy.port), name="dropped")
    first = searcher.suggest()
    assert first is not None
    proxy.drop_all()
    tell(searcher, first)
    proxy.drop_all()
    second = searcher.suggest()
    assert second is not None
    assert second.number == 1
    assert not caplog.records


def test_a_server_that_falls_silent(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is away while nothing is passed on, and back when it is."""
    monkeypatch.setattr(ImpatientConnection, "answer_s", 0.3)
    searcher = open_patient(url_of(proxy.port) + "?connect_timeout=2", name="silent")
    search_of_four(searcher, range(1))
    proxy.is_silent = True
    searcher._patience = Patience(sleep=lambda _: None, pauses_s=(1.0,))
    with pytest.raises(StorageError, match=r"postgres:\*\*\*@127.0.0.1:\d+/postgres.* did not for .*timeout"):
        searcher.suggest()
    searcher._patience = Patience(sleep=lambda _: setattr(proxy, "is_silent", False))
    search_of_four(searcher, range(1, 4))
    assert len(searcher.observations()) == 4


def test_a_commit_that_falls_silent(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the look at the connection waits in vain, but a statement in the middle."""
    monkeypatch.setattr(ImpatientConnection, "answer_s", 0.3)
    name = "silent commit"
    searcher = open_patient(url_of(proxy.port), name=name, sleep=lambda _: setattr(proxy, "is_silent", False))
    for number in range(4):
        suggestion = searcher.suggest()
        assert suggestion is not None
        assert suggestion.number == number
        proxy.silent_after(7 + number)
        tell(searcher, suggestion)
    assert proxy.num_silences == 4
    assert [seen.number for seen in searcher.observations()] == [0, 1, 2, 3]


def test_a_password_is_never_shown(proxy: Proxy) -> None:
    searcher = open_patient(url_of(proxy.port), name="password")
    proxy.refuse()
    with pytest.raises(StorageError, match=r"postgres:\*\*\*@") as caught:
        searcher.suggest()
    assert "secret" not in str(caught.value)
