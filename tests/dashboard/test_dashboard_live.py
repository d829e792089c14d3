"""A running search's changes as they come to whoever listens."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pandas as pd
import pytest
from dashboard_folders import Replay, client, copied

from tuner.dashboard.answers import Answering
from tuner.dashboard.following import MOST_POLLS, News
from tuner.dashboard.live import SILENT_TICKS, Teller, changed_curves, events
from tuner.records.lock import hold
from tuner.results.aggregate import Changes, read_tables

TAGS = ["val/loss"]


@pytest.fixture
def replay(tmp_path: Path) -> Replay:
    return Replay(copied(tmp_path, "mlp") / "mlp")


@pytest.fixture
def reading(replay: Replay) -> Answering:
    return Answering(replay.file.parent, poll_s=0.0)


def parsed(text: str) -> Iterator[tuple[str, Any, str | None]]:
    """Kind, data and id of each event, as a browser reads them."""
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        yield fields["event"], json.loads(fields["data"]), fields.get("id")


def told(teller: Teller) -> dict[str, Any]:
    return {kind: data for kind, data, _ in parsed(teller.tell())}


def test_only_what_is_new_is_told(replay: Replay, reading: Answering) -> None:
    replay.go_on(3)
    lock = hold(reading.paths.lock, rule="", fix="")
    teller = Teller(reading, TAGS, None)
    first = told(teller)
    assert first["trials"]["data"]["number"] == [0]
    assert (first["state"]["running"], first["state"]["finished"]) == (1, 0)
    assert told(teller) == {}

    replay.go_on(1)
    replay.write_events(0, 0.6)
    second = told(teller)
    assert second["trials"]["data"]["reports"] == [1]
    curve = second["curves"]["val/loss"]["0"]
    assert (curve["from_step"], curve["step"][0]) == (1, 1)
    assert curve["min"] == min(curve["value"])
    assert second["state"]["best"] == pytest.approx(0.7428, abs=1e-4)
    assert told(teller) == {}

    replay.write_events(0)
    (third,) = told(teller).items()
    assert (third[0], third[1]["val/loss"]["0"]["step"][-1]) == ("curves", 3)
    whole = read_tables(reading.root).curves.query("tag == 'val/loss'")["value"]
    told_of = third[1]["val/loss"]["0"]
    assert len(told_of["value"]) < len(whole)
    assert (told_of["min"], told_of["max"]) == (whole.min(), whole.max())

    replay.go_on(5)
    fourth = told(teller)
    assert fourth["trials"]["data"]["number"] == [0, 1]
    assert fourth["trials"]["data"]["state"] == ["COMPLETE", "RUNNING"]
    lock.release()
    fifth = told(teller)["state"]
    assert (fifth["state"], fifth["running"]) == ("interrupted", 0)


def test_the_last_event_brings_the_version_and_from_there_it_goes_on(
    replay: Replay, reading: Answering
) -> None:
    replay.go_on(3)
    ids = [id_ for _, _, id_ in parsed(Teller(reading, TAGS, None).tell())]
    assert ids[:-1] == [None] * (len(ids) - 1)
    replay.go_on(2)
    again = told(Teller(reading, TAGS, ids[-1]))
    assert again["trials"]["data"]["reports"] == [2]
    assert told(Teller(reading, TAGS, reading.version)).keys() == {"state"}


@pytest.mark.parametrize("version", ["", "nonsense", "0-0", "another-1", "-", "x-\u00b2"])
def test_an_unknown_version_means_all(replay: Replay, reading: Answering, version: str) -> None:
    replay.go_on(9)
    replay.write_events(0)
    teller = Teller(reading, TAGS, version)
    first = told(teller)
    assert first["trials"]["data"]["number"] == [0, 1]
    assert first["curves"]["val/loss"]["0"]["from_step"] is None


def test_a_version_that_is_long_past_means_all(replay: Replay, reading: Answering) -> None:
    replay.go_on(1)
    with reading.now() as now:
        old = now.version
    line = {"time_s": 1.0, "spent_s": 1.0, "action": "BEGIN", "params": {}}
    for number in range(MOST_POLLS + 1):
        with replay.file.open("a") as file:
            file.write(json.dumps({**line, "trial": number}) + "\n")
        with reading.now() as now:
            assert now.since(old).is_all is (number == MOST_POLLS)


def test_trials_and_curves_answer_with_the_version_to_go_on_from(tmp_path: Path) -> None:
    replay = Replay(copied(tmp_path, "mlp") / "mlp")
    replay.go_on(4)
    api = client(tmp_path)
    version = api.get("/api/experiments/mlp/trials").json()["version"]
    replay.go_on(1)
    newer = api.get("/api/experiments/mlp/trials").json()["version"]
    assert version.partition("-")[0] == newer.partition("-")[0]
    assert version != newer


def test_points_that_no_longer_hold_are_taken_back(tmp_path: Path) -> None:
    reading = Answering(copied(tmp_path, "mlp") / "mlp", poll_s=0.0)
    with reading.now(curves=True) as now:
        news = News(now.version, False, {0}, [Changes([0], {}, {(0, "val/loss"): 3}, now.curves)])
        assert changed_curves(now, news, TAGS)["val/loss"]["0"]["step"] == [3]
        gone = {(0, "val/loss"): 9, (0, "train/loss"): 1}
        news = News(now.version, False, {0}, [Changes([0], {}, gone, now.curves)])
        kept = now.curves.of_trial(0, "val/loss").value
        nothing = {"from_step": 9, "step": [], "time_s": [], "value": [], "min": min(kept), "max": max(kept)}
        assert changed_curves(now, news, TAGS) == {"val/loss": {"0": nothing}}


def test_without_tags_no_curve_is_told(replay: Replay, reading: Answering) -> None:
    replay.go_on(4)
    replay.write_events(0)
    assert told(Teller(reading, [], None)).keys() == {"trials", "state"}


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    reading = Answering(copied(tmp_path, "function") / "function", poll_s=0.0)
    first = told(Teller(reading, TAGS, None))
    assert first["curves"]["val/loss"]["3"]["value"] == [None]


def test_a_damaged_experiment_is_told_once_and_goes_on_when_it_is_put_back(
    replay: Replay, reading: Answering
) -> None:
    replay.go_on(3)
    teller = Teller(reading, TAGS, None)
    teller.tell()
    sound = replay.file.read_bytes()
    replay.file.write_bytes(sound + b"nonsense\n")
    assert told(teller)["state"]["state"] == "unreadable"
    assert told(teller) == {}
    replay.file.write_bytes(sound)
    replay.go_on(1)
    found = told(teller)
    assert (found["state"]["state"], found["trials"]["data"]["reports"]) == ("interrupted", [1])


def test_a_listener_that_nothing_is_told_hears_that_the_server_is_there(
    replay: Replay, reading: Answering
) -> None:
    replay.go_on(3)
    ticks = 0

    async def tick() -> bool:
        nonlocal ticks
        ticks += 1
        return ticks <= SILENT_TICKS

    async def listen() -> list[str]:
        return [text async for text in events(reading, [], None, tick)]

    first, second = anyio.run(listen)
    assert first.startswith("event: trials")
    assert (second, ticks) == (": still here\n\n", SILENT_TICKS + 1)


def test_a_folder_is_looked_at_once_a_period_however_many_ask(replay: Replay) -> None:
    reading = Answering(replay.file.parent, poll_s=3600.0)
    replay.go_on(3)
    with reading.now() as now:
        assert now.rows[0].reports == 0
    replay.go_on(1)
    with reading.now() as now:
        assert now.rows[0].reports == 0


def test_another_experiment_in_the_same_folder_is_told_as_a_whole(replay: Replay) -> None:
    replay.go_on(9)
    replay.write_events(0)
    reading = Answering(replay.file.parent, poll_s=0.0)
    teller = Teller(reading, TAGS, None)
    teller.tell()
    shutil.rmtree(replay.file.parent)
    copied(replay.file.parent.parent, "function")
    (replay.file.parent.parent / "function").rename(replay.file.parent)
    found = told(teller)
    assert found["trials"]["data"]["number"] == [0, 1, 2, 3, 4, 5]
    with reading.now(curves=True) as now:
        whole = read_tables(now.root).curves
        pd.testing.assert_frame_equal(now.curves.tables.curves, whole)
    assert told(teller) == {}


def _give(file: Path, trial: int, *, is_done: bool) -> None:
    """Somebody has told the trial to pause."""
    last = json.loads(file.read_text().splitlines()[-1])
    said = {
        "action": "COMMAND",
        "name": "pause",
        "key": "1",
        "reason": "",
        "trial": trial,
        "is_done": is_done,
    }
    with file.open("a") as log:
        log.write(json.dumps({"time_s": last["time_s"], "spent_s": last["spent_s"], **said}) + "\n")


def test_a_command_that_somebody_gave_is_news_of_its_trial(replay: Replay, reading: Answering) -> None:
    """Its row says nothing of a pause to come, but whoever looks at the trial asks anew then."""
    replay.go_on(4)
    teller = Teller(reading, [], None)
    assert told(teller)["trials"]["data"]["state"] == ["RUNNING"]
    _give(replay.file, 0, is_done=True)
    assert told(teller)["trials"]["data"]["number"] == [0]
    with reading.now() as now:
        assert now.trial(0)["is_held"]


@pytest.mark.parametrize("has_table", [False, True])
def test_a_command_to_no_trial_there_is_harms_nobody(tmp_path: Path, has_table: bool) -> None:
    folder = copied(tmp_path, "mlp") / "mlp"
    if not has_table:
        (folder / "trials.csv").unlink()
    teller = Teller(Answering(folder, poll_s=0.0), [], None)
    teller.tell()
    for trial in (99, 1):
        _give(folder / "decisions.jsonl", trial, is_done=trial == 1)
    assert told(teller)["trials"]["data"]["number"] == [1]
