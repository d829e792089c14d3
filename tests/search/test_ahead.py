"""Asking ahead: order, counts, ends and errors, with a searcher that is held up by the test itself."""

import threading

import pytest

from tuner.records.states import TrialState
from tuner.search.ahead import AskAhead, AskNow, make_asker, num_ahead
from tuner.search.searcher import NO_METRICS, Suggestion

PATIENCE_S = 30.0


class HeldSearcher:
    """Draws only when the test lets it, and writes down what it hears, and in which thread."""

    def __init__(self, num_points: int = 100) -> None:
        self._num_points = num_points
        self.may_draw = threading.Semaphore(0)
        self.asked = threading.Semaphore(0)
        self.drawn = threading.Semaphore(0)
        self.num_drawn = 0
        self.heard: list[tuple] = []
        self.threads: set[int] = set()
        self.num_waiting = 0

    def enqueue(self, key, params):
        self.threads.add(threading.get_ident())
        self.num_waiting += 1

    def suggest(self):
        self.asked.release()
        assert self.may_draw.acquire(timeout=PATIENCE_S)
        self.threads.add(threading.get_ident())
        if self.num_drawn == self._num_points:
            return None
        self.num_drawn += 1
        self.num_waiting = max(0, self.num_waiting - 1)
        self.drawn.release()
        return Suggestion(self.num_drawn - 1, {})

    def report(self, number, step, value):
        self.threads.add(threading.get_ident())
        self.heard.append((number, step, value))

    def finish(self, number, state, value, reason, metrics=NO_METRICS):
        self.threads.add(threading.get_ident())
        self.heard.append((number, state))


class Broken(HeldSearcher):
    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where
        self.may_draw.release(100)

    def suggest(self):
        if self._where == "suggest" and self.num_drawn == 1:
            raise RuntimeError("the sampler broke")
        return super().suggest()

    def finish(self, number, state, value, reason, metrics=NO_METRICS):
        if self._where == "finish":
            raise RuntimeError("the sampler broke")


def free(num_points: int = 100) -> HeldSearcher:
    searcher = HeldSearcher(num_points)
    searcher.may_draw.release(1000)
    return searcher


def wait_until_ready(asker) -> None:
    with asker._changed:
        assert asker._changed.wait_for(asker.is_ready, timeout=PATIENCE_S)


@pytest.mark.parametrize(("num_gangs", "expected"), [(1, 0), (2, 1), (4, 1), (5, 2), (8, 2), (64, 16)])
def test_how_many_are_held(num_gangs, expected):
    assert num_ahead(num_gangs) == expected


def test_one_gang_asks_when_it_needs():
    searcher = free()
    asker = make_asker(searcher, trials=10, num_gangs=1)
    assert isinstance(asker, AskNow)
    assert asker.is_ready()
    assert asker.suggest().number == 0
    asker.report(0, 1, 0.5)
    asker.finish(0, TrialState.COMPLETE, 0.5, "trained")
    assert searcher.heard == [(0, 1, 0.5), (0, TrialState.COMPLETE)]
    assert searcher.threads == {threading.get_ident()}
    assert searcher.num_drawn == 1
    assert asker.close() == []


def test_suggestions_come_in_order_and_never_more_than_wanted():
    searcher = free()
    asker = make_asker(searcher, trials=7, num_gangs=4)
    assert isinstance(asker, AskAhead)
    assert [asker.suggest().number for _ in range(7)] == list(range(7))
    assert asker.suggest() is None
    assert asker.close() == []
    assert searcher.num_drawn == 7


def test_nothing_is_drawn_before_the_first_ask():
    searcher = free()
    asker = make_asker(searcher, trials=7, num_gangs=4)
    assert not asker.is_ready()
    assert asker.close() == []
    assert searcher.num_drawn == 0


def test_an_exhausted_space_is_the_end():
    asker = make_asker(free(num_points=2), trials=7, num_gangs=2)
    assert [asker.suggest().number for _ in range(2)] == [0, 1]
    assert asker.suggest() is None
    assert asker.is_ready()
    asker.close()


def test_the_next_one_is_drawn_before_it_is_asked_for():
    searcher = HeldSearcher()
    searcher.may_draw.release(2)
    asker = AskAhead(searcher, trials=10, num_held=1)
    assert asker.suggest().number == 0
    wait_until_ready(asker)
    assert searcher.num_drawn == 2
    assert asker.suggest().number == 1
    assert not asker.is_ready()
    searcher.may_draw.release(1)
    wait_until_ready(asker)
    searcher.may_draw.release(100)
    asker.close()


def test_reports_do_not_wait_for_a_draw_and_are_heard_in_order():
    searcher = HeldSearcher()
    searcher.may_draw.release(1)
    asker = AskAhead(searcher, trials=10, num_held=1)
    asker.suggest()
    for _ in range(2):
        assert searcher.asked.acquire(timeout=PATIENCE_S)
    # The thread now waits inside the second draw; these return all the same.
    for step in range(1, 6):
        asker.report(0, step, 0.1 * step)
    asker.finish(0, TrialState.STOPPED, None, "cut")
    assert searcher.heard == []
    searcher.may_draw.release(1)
    assert [suggestion.number for suggestion in asker.close()] == [1]
    assert searcher.heard == [*[(0, step, 0.1 * step) for step in range(1, 6)], (0, TrialState.STOPPED)]
    assert threading.get_ident() not in searcher.threads
    assert len(searcher.threads) == 1


def test_what_was_drawn_in_vain_is_handed_back_and_can_be_ended():
    searcher = free()
    asker = AskAhead(searcher, trials=10, num_held=3)
    taken = asker.suggest().number
    for _ in range(4):
        assert searcher.drawn.acquire(timeout=PATIENCE_S)
    leftover = [suggestion.number for suggestion in asker.close()]
    assert leftover == [taken + 1, taken + 2, taken + 3]
    for number in (taken, *leftover):
        asker.finish(number, TrialState.STOPPED, None, "interrupted")
    assert [heard[0] for heard in searcher.heard] == [taken, *leftover]
    assert asker.close() == []


def test_an_error_of_a_draw_is_raised_by_the_next_ask():
    asker = AskAhead(Broken("suggest"), trials=10, num_held=1)
    assert asker.suggest().number == 0
    with pytest.raises(RuntimeError, match="the sampler broke"):
        asker.suggest()
    assert asker.close() == []


def test_an_error_that_nobody_asked_for_is_raised_at_the_close():
    asker = AskAhead(Broken("finish"), trials=1, num_held=1)
    asker.suggest()
    asker.finish(0, TrialState.COMPLETE, 0.1, "trained")
    with pytest.raises(RuntimeError, match="the sampler broke"):
        asker.close()


def test_many_threads_of_events():
    """Reports and asks interleave from the conducting thread while the other draws: nothing is lost."""
    searcher = free(num_points=1000)
    asker = make_asker(searcher, trials=300, num_gangs=16)
    numbers = []
    while (suggestion := asker.suggest()) is not None:
        numbers.append(suggestion.number)
        asker.report(suggestion.number, 1, 0.0)
        asker.finish(suggestion.number, TrialState.COMPLETE, 0.0, "trained")
    assert asker.close() == []
    assert numbers == list(range(300))
    expected = [event for number in numbers for event in ((number, 1, 0.0), (number, TrialState.COMPLETE))]
    assert searcher.heard == expected


@pytest.mark.parametrize("storage", ["study.journal", "sqlite"])
def test_a_real_study_hears_everything_and_has_no_gaps(tmp_path, storage):
    import optuna

    from tuner.search.factory import make_searcher
    from tuner.search.storage import open_storage
    from tuner.spec import Float
    from tuner.spec.sections import SearchSpec
    from tuner.spec.space import Parameter, Space

    place = f"sqlite:///{tmp_path / 'study.db'}" if storage == "sqlite" else tmp_path / storage
    search = SearchSpec(metric="loss", mode="min", trials=12, sampler="tpe")
    space = Space((Parameter("x", Float(0.0, 1.0)),))
    asker = make_asker(make_searcher(space, search, place), trials=12, num_gangs=8)
    for _ in range(10):
        number, params, _ = asker.suggest()
        asker.report(number, 1, params["x"])
        asker.finish(number, TrialState.COMPLETE, params["x"], "trained")
    leftover = asker.close()
    for number, _ in leftover:
        asker.finish(number, TrialState.STOPPED, None, "interrupted")
    trials = optuna.load_study(study_name=None, storage=open_storage(place)).trials
    assert [trial.number for trial in trials] == list(range(10 + len(leftover)))
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 10 + ["PRUNED"] * len(leftover)
    assert [trial.intermediate_values for trial in trials[:10]] == [{1: trial.value} for trial in trials[:10]]


@pytest.mark.parametrize("num_gangs", [1, 2])
def test_there_is_room_for_as_many_as_are_still_to_be_drawn(num_gangs):
    searcher = free()
    asker = make_asker(searcher, trials=3, num_gangs=num_gangs)
    for key in "abc":
        assert asker.has_room()
        asker.enqueue(key, {})
    assert not asker.has_room()
    for _ in range(3):
        assert asker.suggest() is not None
        assert not asker.has_room()
    asker.close()


def test_while_one_is_drawn_there_is_no_room_for_it():
    searcher = HeldSearcher()
    asker = make_asker(searcher, trials=2, num_gangs=2)
    thread = threading.Thread(target=asker.suggest)
    thread.start()
    assert searcher.asked.acquire(timeout=PATIENCE_S)
    assert asker.has_room()
    asker.enqueue("a", {})
    assert not asker.has_room()
    searcher.may_draw.release(2)
    thread.join()
    asker.close()
    assert searcher.threads == {*searcher.threads} - {threading.get_ident()}
