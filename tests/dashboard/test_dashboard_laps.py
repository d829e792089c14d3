"""Who had which gang: laps from lines, in all the ways in which a trial comes and goes."""

from typing import Any

import pytest

from tuner.dashboard.laps import MOMENT_S, Laps

NODES = {"nodes": ["a", "b"]}


def laps(*lines: tuple[float, str, int | None, dict[str, Any]]) -> list[tuple[Any, ...]]:
    """(gang, trial, from, to, kind) of each lap."""
    heard = Laps()
    for at_s, action, trial, content in lines:
        heard.hear({"spent_s": at_s, "action": action, "trial": trial, **content})
    assert heard.num_gangs == max(heard.columns["gang"], default=-1) + 1
    return list(
        zip(*(heard.columns[name] for name in ("gang", "trial", "from_s", "to_s", "kind")), strict=True)
    )


def places(*lines: tuple[float, str, int | None, dict[str, Any]]) -> list[tuple[Any, ...]]:
    """(trial, gang, nodes, devices) of each lap."""
    heard = Laps()
    for at_s, action, trial, content in lines:
        heard.hear({"spent_s": at_s, "action": action, "trial": trial, **content})
    return list(zip(*(heard.columns[name] for name in ("trial", "gang", "nodes", "devices")), strict=True))


def on(node: str, *devices: str) -> dict[str, list[str]]:
    return {"nodes": node.split(","), "devices": list(devices)}


def test_a_trial_that_runs_has_no_end_yet() -> None:
    assert laps((1, "START", 0, {}), (2, "CONTINUE", 0, NODES)) == [(0, 0, 1, None, "train")]


def test_trials_at_once_are_on_different_gangs_and_a_free_one_is_taken_again() -> None:
    found = laps(
        (1, "START", 0, {}),
        (2, "START", 1, {}),
        (3, "STOP", 0, NODES | {"state": "STOPPED"}),
        (4, "START", 2, {}),
    )
    assert found == [(0, 0, 1, 3, "train"), (1, 1, 2, None, "train"), (0, 2, 4, None, "train")]


def test_a_pause_is_the_writing_of_its_checkpoint() -> None:
    found = laps(
        (1, "START", 0, {}),
        (2, "PAUSE", 0, NODES),
        (3, "SAVED", 0, {}),
        (5, "RESUME", 0, {}),
        (6, "START", 0, {}),
        (7, "STOP", 0, NODES | {"state": "COMPLETE"}),
    )
    assert found == [(0, 0, 1, 2, "train"), (0, 0, 2, 3, "pause"), (0, 0, 6, 7, "train")]


@pytest.mark.parametrize("action", ["RETRY", "LEAVE"])
def test_what_begins_again_is_a_restart_until_its_next_report(action: str) -> None:
    found = laps(
        (1, "START", 0, {}),
        (2, action, 0, {}),
        (4, "START", 0, {}),
        (6, "CONTINUE", 0, NODES),
        (7, "CONTINUE", 0, NODES),
    )
    assert found == [(0, 0, 1, 2, "train"), (0, 0, 4, 6, "restart"), (0, 0, 6, None, "train")]


def test_a_run_that_was_killed_ended_with_its_last_line() -> None:
    found = laps(
        (0, "OPEN", None, {}),
        (1, "START", 0, {}),
        (2, "START", 1, {}),
        (3, "CONTINUE", 0, NODES),
        (9, "OPEN", None, {}),
        (10, "START", 1, {}),
    )
    assert found == [(0, 0, 1, 3, "train"), (1, 1, 2, 3, "train"), (0, 1, 10, None, "restart")]


def test_a_run_that_leaves_ends_all() -> None:
    assert laps((1, "START", 0, {}), (2, "START", 1, {}), (5, "LEAVE", None, {})) == [
        (0, 0, 1, 5, "train"),
        (1, 1, 2, 5, "train"),
    ]


def test_a_trial_that_is_cut_while_it_waits_never_had_a_gang() -> None:
    assert laps((1, "START", 0, {}), (1 + MOMENT_S / 2, "FINISH", 0, {"state": "STOPPED"})) == []


def test_a_trial_that_fails_without_a_report_had_one() -> None:
    assert laps((1, "START", 0, {}), (4, "FINISH", 0, {"state": "FAILED"})) == [(0, 0, 1, 4, "train")]


def test_a_late_report_of_a_trial_without_a_gang_is_no_lap() -> None:
    assert laps((1, "START", 0, {}), (2, "LEAVE", 0, {}), (3, "CONTINUE", 0, NODES)) == [
        (0, 0, 1, 2, "train")
    ]


def test_a_lap_is_on_the_gang_that_the_log_names() -> None:
    found = places(
        (1, "START", 0, {"gang": 1}),
        (2, "START", 1, {"gang": 0}),
        (3, "CONTINUE", 0, on("a,b", "2,3", "0,1")),
        (4, "STOP", 1, on("a", "0") | {"state": "STOPPED"}),
        (5, "START", 2, {"gang": 0}),
    )
    assert found == [(0, 1, "a,b", "2,3;0,1"), (1, 0, "a", "0"), (2, 0, "a", "0")]


def test_a_gang_on_cpus_has_a_place_and_no_devices() -> None:
    assert places((1, "START", 0, {"gang": 0}), (2, "CONTINUE", 0, on("a"))) == [(0, 0, "a", "")]


def test_what_the_first_report_tells_of_a_gang_holds_for_its_laps_before() -> None:
    found = places(
        (1, "START", 0, {"gang": 0}),
        (2, "FINISH", 0, {"state": "FAILED"}),
        (3, "START", 1, {"gang": 0}),
        (4, "START", 2, {"gang": 1}),
        (5, "PAUSE", 1, on("a", "0")),
    )
    assert found == [(0, 0, "a", "0"), (1, 0, "a", "0"), (2, 1, "", None), (1, 0, "a", "0")]


def test_in_another_run_a_gang_may_be_elsewhere() -> None:
    found = places(
        (1, "START", 0, {"gang": 0}),
        (2, "CONTINUE", 0, on("a", "0")),
        (3, "OPEN", None, {}),
        (4, "START", 0, {"gang": 0}),
        (5, "CONTINUE", 0, on("b", "0")),
    )
    assert [place[2] for place in found] == ["a", "b", "b"]


def test_a_gang_that_took_the_place_of_another_is_where_its_report_says() -> None:
    found = places(
        (1, "START", 0, {"gang": 0}),
        (2, "CONTINUE", 0, on("a", "0")),
        (3, "RETRY", 0, {}),
        (4, "START", 0, {"gang": 0}),
        (5, "CONTINUE", 0, on("b", "1")),
    )
    assert found == [(0, 0, "a", "0"), (0, 0, "b", "1"), (0, 0, "b", "1")]


def test_a_trial_that_ends_without_a_gang_has_no_lap() -> None:
    found = laps(
        (1, "START", 0, {"gang": None}),
        (9, "FINISH", 0, {"state": "STOPPED"}),
        (9, "START", 1, {"gang": 0}),
        (9, "FINISH", 1, {"state": "FAILED"}),
    )
    assert found == [(0, 1, 9, 9, "train")]


def test_a_trial_that_fails_while_its_gang_saves_it_keeps_its_lap() -> None:
    found = laps(
        (1, "START", 0, {"gang": 0}),
        (2, "PAUSE", 0, on("a")),
        (3, "START", 0, {"gang": None}),
        (3, "FINISH", 0, {"state": "FAILED"}),
    )
    assert found == [(0, 0, 1, 2, "train"), (0, 0, 2, 3, "pause")]


def test_where_the_log_names_no_gangs_devices_are_not_known() -> None:
    assert places((1, "START", 0, {}), (2, "CONTINUE", 0, NODES)) == [(0, 0, "a,b", None)]
