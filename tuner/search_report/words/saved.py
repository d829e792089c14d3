"""What early stopping saved: compute that was spent, and what whole trainings would have cost."""

from collections import Counter
from collections.abc import Callable, Sequence

from tuner.records.rows import TrialRow
from tuner.records.states import TOLD_TO_STOP, TrialState
from tuner.search_report.outcome import Outcome
from tuner.search_report.words.parts import Section, Table, count, duration, listed, share

TITLE = "What early stopping saved"
MOST_RUNGS = 12
CUT = "the scheduler cut {}"
BY_ITSELF = "a rule of the training ended {}"
WITH_SEARCH = "the search ended before {}"
TOLD = "somebody stopped {}"
UNSOUND = "{} diverged, failed or did not fit"
OTHERS = (BY_ITSELF, WITH_SEARCH, TOLD, UNSOUND)


def saved(outcome: Outcome) -> Section:
    most = outcome.max_reports
    # What a clone took before it began is its donor's.
    finished = [row for row in outcome.searched if row.state.is_finished() and row.donor is None]
    if most is None:
        sentence = (
            "How long a whole training is was never said, so nobody can tell what early stopping saved."
        )
        return Section(TITLE, (sentence,))
    if not finished:
        return Section(TITLE, ("No trial has ended yet.",))
    cut = [row for row in finished if _why(row, outcome.end_reason) == CUT]
    sentences = [_reports(finished, most, outcome.end_reason), *_time(finished, most), *_confirming(outcome)]
    tables = (_rungs(cut),) if cut else ()
    return Section(TITLE, tuple(sentences), tables)


def _reports(finished: Sequence[TrialRow], most: int, end_reason: str | None) -> str:
    spent, whole = sum(row.reports for row in finished), most * len(finished)
    short = [row for row in finished if row.reports < most]
    missing = {
        why: [most - row.reports for row in short if _why(row, end_reason) == why] for why in (CUT, *OTHERS)
    }
    told = [
        f"{share(sum(each) / whole)} as {why.format(count(len(each), 'trial'))}"
        for why, each in missing.items()
        if each
    ]
    sentence = (
        f"The {count(len(finished), 'trial')} that ended trained {spent:,} of the {whole:,} reports of whole "
        f"trainings: {share((whole - spent) / whole)} was not spent"
    )
    sentence = f"{sentence}, {listed(told)}." if told else f"{sentence}."
    return sentence if missing[CUT] else f"{sentence} No trial was cut by the scheduler."


def _why(row: TrialRow, end_reason: str | None) -> str:
    """Why the trial ended, as `_reports` says it of several."""
    if row.state is TrialState.COMPLETE:
        return BY_ITSELF
    if row.state is not TrialState.STOPPED:
        return UNSOUND
    if row.reason == TOLD_TO_STOP:
        return TOLD
    return WITH_SEARCH if end_reason is not None and row.reason == end_reason else CUT


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
