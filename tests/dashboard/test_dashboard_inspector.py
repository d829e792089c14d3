"""The process beside the dashboard: it answers one request after another, ends when idle, and may fail."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tuner.dashboard.inspector import MOST_ASKING, Inspector
from tuner.errors import ResultsError

ECHO = """
import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    if request["what"] == "die":
        os._exit(3)
    if request["what"] == "sleep":
        import time; time.sleep(60)
    if request["what"] == "error":
        print(json.dumps({"error": "a sentence"}), flush=True)
    else:
        told = {"pid": os.getpid(), "said": request["said"], "offline": os.environ.get("HF_HUB_OFFLINE")}
        print(json.dumps({"result": told}), flush=True)
"""
LIMIT_S = 30.0
Make = Callable[..., Inspector]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Inspector] = []

    def make_(warm_s: float = 300.0, program: str = ECHO) -> Inspector:
        made.append(Inspector((sys.executable, "-c", program), warm_s))
        return made[-1]

    yield make_
    for inspector in made:
        inspector.close()


def say(inspector: Inspector, text: str = "") -> dict[str, object]:
    answer: dict[str, object] = inspector.ask({"what": "say", "said": text}, LIMIT_S)
    return answer


def is_alive(pid: object) -> bool:
    assert isinstance(pid, int)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(is_so: Callable[[], bool]) -> None:
    while not is_so():  # The test's own time limit ends it.
        time.sleep(0.01)


def test_one_process_answers_all_and_ends_with_the_dashboard(make: Make) -> None:
    inspector = make()
    with ThreadPoolExecutor(MOST_ASKING) as threads:
        answers = list(threads.map(lambda text: say(inspector, text), map(str, range(20))))
    assert [answer["said"] for answer in answers] == [str(number) for number in range(20)]
    (pid,) = {answer["pid"] for answer in answers}
    inspector.close()
    assert not is_alive(pid)


def test_a_long_answer_comes_whole(make: Make) -> None:
    text = "ä\n" * 200_000
    assert say(make(), text)["said"] == text


def test_it_ends_by_itself_and_is_started_again(make: Make) -> None:
    inspector = make(warm_s=0.05)
    first = say(inspector)["pid"]
    wait_for(lambda: not is_alive(first))
    assert say(inspector)["pid"] != first


def test_it_fetches_nothing_of_the_hub(make: Make) -> None:
    assert say(make())["offline"] == "1"


def test_an_error_is_told_and_the_process_goes_on(make: Make) -> None:
    inspector = make()
    pid = say(inspector)["pid"]
    with pytest.raises(ResultsError, match="a sentence"):
        inspector.ask({"what": "error"}, LIMIT_S)
    assert say(inspector)["pid"] == pid


def test_a_process_that_dies_is_an_error_and_replaced(make: Make) -> None:
    inspector = make()
    first = say(inspector)["pid"]
    with pytest.raises(ResultsError, match=r"must answer, but it has ended \(status 3\)"):
        inspector.ask({"what": "die"}, LIMIT_S)
    assert say(inspector)["pid"] != first


def test_a_process_that_died_meanwhile_is_replaced(make: Make) -> None:
    inspector = make()
    first = say(inspector)["pid"]
    assert isinstance(first, int)
    os.kill(first, 9)
    wait_for(lambda: inspector._process is None or inspector._process.poll() is not None)
    assert say(inspector)["pid"] != first


def test_what_takes_too_long_is_ended(make: Make) -> None:
    inspector = make()
    first = say(inspector)["pid"]
    with pytest.raises(ResultsError, match=r"may take 0.2 s, but this one takes longer"):
        inspector.ask({"what": "sleep"}, 0.2)
    assert not is_alive(first)
    assert say(inspector)["pid"] != first


def test_who_waits_too_long_for_others_is_told(make: Make) -> None:
    inspector = make()
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(lambda: inspector.ask({"what": "sleep"}, 2.0))
        wait_for(inspector._turn.locked)
        with pytest.raises(ResultsError, match="looked at one after another"):
            inspector.ask({"what": "say", "said": ""}, 0.1)
        with pytest.raises(ResultsError, match="takes longer"):
            other.result()


def test_few_wait_and_the_others_are_told_at_once(make: Make) -> None:
    inspector = make()
    with ThreadPoolExecutor(MOST_ASKING) as threads:
        others = [
            threads.submit(lambda: inspector.ask({"what": "sleep"}, LIMIT_S)) for _ in range(MOST_ASKING)
        ]
        wait_for(lambda: inspector._places._value == 0)
        with pytest.raises(ResultsError, match=f"at most {MOST_ASKING} looks .* may wait at once"):
            say(inspector)
        inspector.close()
        for other in others:
            with pytest.raises(ResultsError, match="it ends"):
                other.result()


def test_the_end_of_the_dashboard_ends_a_look(make: Make) -> None:
    inspector = make()
    pid = say(inspector)["pid"]
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(lambda: inspector.ask({"what": "sleep"}, LIMIT_S))
        wait_for(inspector._turn.locked)
        inspector.close()
        with pytest.raises(ResultsError, match="while the dashboard runs, but it ends"):
            other.result()
    assert not is_alive(pid)
    with pytest.raises(ResultsError, match="while the dashboard runs, but it ends"):
        say(inspector)


def test_modules_of_the_working_folder_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tuner", "numpy", "selectors"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 always looks into the working folder")
    inspector = Inspector()
    with pytest.raises(ResultsError, match="experiment"):
        inspector.ask({"what": "data", "folder": "/nowhere"}, 120.0)
    inspector.close()


def test_the_real_one_answers_after_a_request_that_fails() -> None:
    inspector = Inspector()
    for _ in range(2):
        with pytest.raises(ResultsError, match="no sound search section|experiment"):
            inspector.ask({"what": "data", "folder": "/nowhere"}, 120.0)
    with pytest.raises(ResultsError, match=r"looking at it failed \(KeyError"):
        inspector.ask({"what": "data"}, 120.0)
    inspector.close()
