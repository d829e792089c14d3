"""What early stopping saved: compute that was spent, and what whole trainings would have cost."""

from collections import Counter
from collections.abc import Callable, Sequence

from tuner.records.rows import TrialRow
from tuner.records.states import TrialState
from tuner.search_report.outcome import Outcome
from tuner.search_report.words.parts import Section, Table, count, duration, share

TITLE = "What early stopping saved"
MOST_RUNGS = 12


def saved(outcome: Outcome) -> Section:
    most, finished = outcome.max_reports, [row for row in outcome.searched if row.state.is_finished()]
    if most is None:
        sentence = (
            "How long a whole training is was never said, so nobody can tell what early stopping saved."
        )
        return Section(TITLE, (sentence,))
    if not finished:
        return Section(TITLE, ("No trial has ended yet.",))
    cut = [row for row in finished if row.state is TrialState.STOPPED]
    sentences = [_reports(finished, cut, most), *_time(finished, most), *_confirming(outcome)]
    tables = (_rungs(cut),) if cut else ()
    return Section(TITLE, tuple(sentences), tables)


def _reports(finished: Sequence[TrialRow], cut: Sequence[TrialRow], most: int) -> str:
    spent, whole = sum(row.reports for row in finished), most * len(finished)
    missing, by_cut = whole - spent, sum(most - row.reports for row in cut)
    sentence = (
        f"The {count(len(finished), 'trial')} that ended trained {spent:,} of the {whole:,} reports of whole "
        f"trainings: {share(missing / whole)} was not spent"
    )
    if not cut:
        return f"{sentence}. No trial was cut by the scheduler."
    told = f"{sentence}, {share(by_cut / whole)} because the scheduler cut {count(len(cut), 'trial')}"
    rest = missing - by_cut
    return f"{told}, the rest because trials diverged, failed or did not fit." if rest else f"{told}."


def _time(finished: Sequence[TrialRow], most: int) -> list[str]:
    parts = [
        f"{duration(spent)} of {what} where whole trainings would have taken about {duration(whole)}"
        for what, seconds in (("trial time", _seconds), ("GPU time", _gpu_seconds))
        for spent, whole in [_spent_and_whole(finished, most, seconds)]
        if whole > 0
    ]
    return [f"That is {', and '.join(parts)}, at the pace of each trial."] if parts else []


def _spent_and_whole(
    rows: Sequence[TrialRow], most: int, seconds: Callable[[TrialRow], float | None]
) -> tuple[float, float]:
    timed = [(found, row.reports) for row in rows if (found := seconds(row)) is not None and row.reports]
    return sum(found for found, _ in timed), sum(found / reports * most for found, reports in timed)


def _seconds(row: TrialRow) -> float | None:
    return row.seconds


def _gpu_seconds(row: TrialRow) -> float | None:
    return row.gpu_seconds


def _confirming(outcome: Outcome) -> list[str]:
    if not outcome.fresh:
        return []
    spent = sum(row.reports for row in outcome.fresh)
    return [f"Confirming took {count(len(outcome.fresh), 'fresh run')} with {count(spent, 'report')} on top."]


def _rungs(cut: Sequence[TrialRow]) -> Table:
    """After how many reports trials were cut; the last line holds all that came later."""
    counts = sorted(Counter(row.reports for row in cut).items())
    rows = [(str(reports), str(times)) for reports, times in counts[:MOST_RUNGS]]
    later = sum(times for _, times in counts[MOST_RUNGS:])
    return Table(("cut after report", "trials"), (*rows, *([("later", str(later))] if later else [])))
