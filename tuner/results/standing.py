"""Whether a search runs, is done, or waits for `tuner resume`: told from its lock, its log and its rows."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tuner.records.confirmation import Confirmation
from tuner.records.lock import holder_of
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, search_rows


def standing_of(
    paths: ExperimentPaths, rows: Sequence[TrialRow], num_trials: int, confirmation: Confirmation | None
) -> str:
    """`running`, `done`, or `interrupted`: nobody runs it, and `tuner resume` has something to do.

    Args:
        rows: as far as the search has come.
        num_trials: how many it was asked for.
    """
    if holder_of(paths.lock) is not None:
        return "running"
    return "done" if is_done(paths, rows, num_trials, confirmation) else "interrupted"


def is_done(
    paths: ExperimentPaths, rows: Sequence[TrialRow], num_trials: int, confirmation: Confirmation | None
) -> bool:
    """Whether there is nothing left to do; arguments as of `standing_of`."""
    if not all(row.state.is_finished() for row in rows):
        return False
    is_confirmed = confirmation is None or confirmation.num_missing == 0
    # The log may be long: it is looked at last.
    return is_confirmed and (len(search_rows(rows)) >= num_trials or end_of(paths) is not None)


def end_of(paths: ExperimentPaths) -> dict[str, Any] | None:
    """The first line of `decisions.jsonl` that ended the search; None where none did."""
    return next(_ends(paths), None)


def _ends(paths: ExperimentPaths) -> Iterator[dict[str, Any]]:
    if not paths.decisions.is_file():
        return
    with paths.decisions.open("rb") as file:
        for text in file:
            if b'"END"' in text:  # A search may have a million lines: only few of them are worth parsing.
                line = _parsed(text)
                if line.get("action") == "END":
                    yield line


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):  # torn
        return {}
    return line if isinstance(line, dict) else {}
