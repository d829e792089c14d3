"""What won and by how much: confirmed scores first, a search's single runs for what they are."""

import math

from tuner.records.confirmation import Confirmation, Confirmed
from tuner.records.rows import TrialRow
from tuner.results.confirmation import in_words
from tuner.results.front import front_rows
from tuner.search_report.outcome import Outcome
from tuner.search_report.words.parts import (
    Section,
    Table,
    count,
    estimate_text,
    number,
    sentence,
    small,
    value_text,
)

TITLE = "What won"
MOST_RANKED = 5
MOST_OF_FRONT = 20


def won(outcome: Outcome) -> Section:
    if not outcome.ranked:
        return Section(TITLE, (f"No trial has a finite {outcome.metric}, so none has won.",))
    confirmation = outcome.confirmation
    if confirmation is not None and confirmation.winner is not None:
        section = _confirmed(outcome, confirmation, confirmation.winner)
    else:
        section = _single_runs(outcome)
    if len(outcome.objectives) == 1:
        return section
    front = front_rows(outcome.rows, outcome.objectives)
    told = f"There are several objectives: no other trial beats {_front_words(len(front))} in all of them."
    table = _front(outcome, front[:MOST_OF_FRONT])
    return Section(TITLE, (*section.sentences, told), (*section.tables, table))


def _front_words(size: int) -> str:
    shown = f", of which {MOST_OF_FRONT} are shown" if size > MOST_OF_FRONT else ""
    return "this one" if size == 1 else f"any of these {size}{shown}"


def _confirmed(outcome: Outcome, confirmation: Confirmation, winner: Confirmed) -> Section:
    assert winner.score is not None
    runs = count(len(winner.runs), "fresh run")
    is_one = winner.score.standard_error is None
    what = runs if is_one else f"mean and standard error of {runs}"
    sentences = [
        f"Trial {winner.number} won: {outcome.metric} {estimate_text(winner.score)} ({what}); "
        f"in the search it had {number(winner.search_value)}.",
        sentence(in_words(confirmation)),
        *_runner_up(outcome, confirmation, winner),
        *_first(outcome, winner.number, winner.score.mean, confirmation),
    ]
    ranking = tuple(
        (
            str(trial.number),
            estimate_text(trial.score) if trial.score else "–",
            number(trial.search_value),
            small(trial.optimism) if trial.optimism is not None else "–",
            f"{len(trial.runs)}{f', {trial.num_failed} failed' if trial.num_failed else ''}",
        )
        for trial in confirmation.ranking
    )
    columns = ("trial", f"{outcome.metric}, fresh", "in the search", "too good by", "fresh runs")
    numbers = [trial.number for trial in confirmation.ranking]
    return Section(TITLE, tuple(sentences), (Table(columns, ranking), _parameters(outcome, numbers)))


def _runner_up(outcome: Outcome, confirmation: Confirmation, winner: Confirmed) -> list[str]:
    others = confirmation.ranking[1:2]
    if not others or others[0].score is None or winner.score is None:
        return []
    other, (mine, theirs) = others[0], (winner.score, others[0].score)
    lead = outcome.lead(mine.mean, theirs.mean)
    if mine.standard_error is None or theirs.standard_error is None:
        spread = "; single runs do not tell how sure that is"
    else:
        spread = f" ± {small(math.hypot(mine.standard_error, theirs.standard_error))}"
    return [f"Its lead over trial {other.number}, the runner-up, is {small(lead)}{spread}."]


def _single_runs(outcome: Outcome) -> Section:
    best, *others = outcome.ranked
    value = best.best[outcome.metric]
    sentences = [f"Trial {best.number} has the best {outcome.metric}: {number(value)}, in a single run."]
    if others and others[0].number != outcome.searched[0].number:
        lead = outcome.lead(value, others[0].best[outcome.metric])
        sentences.append(f"Trial {others[0].number}, the next best, is {small(lead)} behind.")
    sentences += _first(outcome, best.number, value, None)
    tried = len(outcome.ranked)
    if outcome.confirmation is not None:
        sentences.append(sentence(in_words(outcome.confirmation)))
    elif tried > 1:
        sentences.append(
            f"The best of {tried} single runs looks better than it is, and nobody can tell by how much: no "
            "fresh runs were asked for (confirm)."
        )
    return Section(TITLE, tuple(sentences), (_ranking(outcome), _parameters(outcome, [best.number])))


def _first(outcome: Outcome, winner: int, value: float, confirmation: Confirmation | None) -> list[str]:
    """Against the configuration with which one began: one's own first point, or the sampler's first."""
    first = outcome.searched[0]
    if first.number == winner:
        return []
    is_own = bool(outcome.settings["search"].get("points"))
    what = "the first of your own points" if is_own else "the first that was tried"
    if not first.is_sound or outcome.metric not in first.best:
        return [f"Trial {first.number}, {what}, is {first.state.value} and has no value to compare with."]
    ranking = confirmation.ranking if confirmation else ()
    fresh = next((trial.score for trial in ranking if trial.number == first.number and trial.score), None)
    base = fresh.mean if fresh else first.best[outcome.metric]
    shown = estimate_text(fresh) if fresh else f"{number(base)} in a single run{_cut(outcome, first)}"
    lead = outcome.lead(value, base)
    return [
        f"Trial {first.number}, {what}, has {shown}: {small(abs(lead))} {'worse' if lead >= 0 else 'better'}."
    ]


def _cut(outcome: Outcome, row: TrialRow) -> str:
    is_whole = outcome.max_reports is None or row.reports >= outcome.max_reports
    return "" if is_whole else f" of {row.reports} of {outcome.max_reports} reports"


def _ranking(outcome: Outcome) -> Table:
    rows = [
        (str(row.number), number(row.best[outcome.metric]), row.state.value, str(row.reports))
        for row in outcome.ranked[:MOST_RANKED]
    ]
    return Table(("trial", f"best {outcome.metric}", "state", "reports"), tuple(rows))


def _parameters(outcome: Outcome, numbers: list[int]) -> Table:
    """Of the winners, and of the first trial beside them."""
    by_number = {row.number: row for row in outcome.rows}
    shown = [by_number[each] for each in dict.fromkeys([*numbers, outcome.searched[0].number])]
    names = dict.fromkeys(name for row in shown for name in row.params)
    rows = [(name, *(_value(row, name) for row in shown)) for name in names]
    return Table(("parameter", *(f"trial {row.number}" for row in shown)), tuple(rows))


def _value(row: TrialRow, name: str) -> str:
    return value_text(row.params[name]) if name in row.params else "–"


def _front(outcome: Outcome, front: list[TrialRow]) -> Table:
    rows = [
        (str(row.number), *(number(row.objectives[metric]) for metric in outcome.objectives)) for row in front
    ]
    return Table(("trial", *outcome.objectives), tuple(rows))
