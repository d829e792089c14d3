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
