"""What failed and why: trials that did not end well, those of one reason together."""

import re
from collections import defaultdict
from collections.abc import Iterable

from tuner.records.rows import TrialRow
from tuner.records.states import TrialState
from tuner.search_report.outcome import Outcome
from tuner.search_report.words.parts import Section, Table, count, listed, named, share

TITLE = "What failed"
MOST_GROUPS = 20
MOST_REASON = 300
"""Characters of a reason."""
_NUMBERS = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")
_WORDS = {
    TrialState.FAILED: "failed",
    TrialState.DIVERGED: "diverged",
    TrialState.INFEASIBLE: "broke a constraint or did not fit",
}


def failed(outcome: Outcome) -> Section:
    bad = [row for row in outcome.rows if row.state in _WORDS]
    restarts = _restarts(outcome.rows)
    if not bad:
        return Section(TITLE, ("No trial failed, diverged or broke a constraint.", *restarts))
    parts = [
        f"{number} {words}"
        for state, words in _WORDS.items()
        if (number := sum(row.state is state for row in bad))
    ]
    total = len(outcome.rows)
    part = share(len(bad) / total)
    sentence = f"{len(bad)} of {count(total, 'trial')} ({part}) did not end well: {listed(parts)}."
    groups = grouped(bad)
    rows = [_row(group) for group in groups[:MOST_GROUPS]]
    left = sum(map(len, groups[MOST_GROUPS:]))
    more = [f"{count(left, 'trial')} more for other reasons are in the table of trials."] if left else []
    table = Table(("state", "trials", "why", "which"), tuple(rows))
    return Section(TITLE, (sentence, *restarts, *more), (table,))


def grouped(rows: Iterable[TrialRow]) -> list[list[TrialRow]]:
    """Rows whose states and reasons are alike but for the numbers in them, the largest group first."""
    groups: dict[tuple[TrialState, str], list[TrialRow]] = defaultdict(list)
    for row in rows:
        groups[row.state, _NUMBERS.sub("#", row.reason)].append(row)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0].number))


def _row(group: list[TrialRow]) -> tuple[str, str, str, str]:
    first = group[0]
    reason = first.reason[:MOST_REASON] or "no reason was given"
    same = len({row.reason for row in group}) == 1
    why = reason if same else f"{reason} (and the like)"
    return first.state.value, str(len(group)), why, named(row.number for row in group)


def _restarts(rows: Iterable[TrialRow]) -> list[str]:
    again = [row for row in rows if row.retries]
    if not again:
        return []
    times = sum(row.retries for row in again)
    return [f"{count(len(again), 'trial')} began again after a fault, {count(times, 'time')} in all."]
