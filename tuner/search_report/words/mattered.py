"""Which parameters mattered, and where in their ranges the best trials lie."""

import math
import statistics
from collections import Counter
from typing import Any

from tuner.search.distributions import position_of
from tuner.search_report.outcome import Outcome
from tuner.search_report.words.parts import Section, Table, count, listed, share, small, value_text
from tuner.search_report.words.searched import domain_text
from tuner.spec import Choice, Parameter

TITLE = "What mattered"
BEST_SHARE = 0.1
MIN_BEST = 3
EDGE = 0.08
"""Of a range: where the best lie within so much of an end, a wider range is worth a try."""
MOST_NAMED = 3


def mattered(outcome: Outcome) -> Section:
    importances = outcome.importance["importances"]
    if not importances:
        return Section(TITLE, (f"Which parameters mattered cannot be told: {outcome.importance['note']}",))
    known = {parameter.name: parameter for parameter in outcome.parameters}
    shown = [each for each in importances if each["name"] in known]
    first = [f"{each['name']} ({_share(each)})" for each in shown[:MOST_NAMED]]
    trials = count(outcome.importance["n"], "trial")
    sentences = [
        f"By PED-ANOVA over {trials}, the best differ from all most in {listed(first)}. "
        "The shares of all parameters are 1 together; behind ± stands a standard deviation.",
        *_edges(outcome, [known[each["name"]] for each in shown]),
    ]
    rows = tuple(_row(outcome, known[each["name"]], each) for each in shown)
    columns = ("parameter", "share", "searched in", f"the best {_num_best(outcome)} trials have")
    return Section(TITLE, tuple(sentences), (Table(columns, rows),))


def _share(each: Any) -> str:
    return f"{100 * each['importance']:.0f} ± {small(100 * each['spread'])} %"


def _row(outcome: Outcome, parameter: Parameter, each: Any) -> tuple[str, str, str, str]:
    return parameter.name, _share(each), domain_text(parameter.domain), _best(outcome, parameter)


def _num_best(outcome: Outcome) -> int:
    return min(len(outcome.ranked), max(MIN_BEST, math.ceil(BEST_SHARE * len(outcome.ranked))))


def _values(outcome: Outcome, parameter: Parameter) -> list[Any]:
    """Of the best trials, where they have it."""
    best = outcome.ranked[: _num_best(outcome)]
    return [row.params[parameter.name] for row in best if parameter.name in row.params]


def _best(outcome: Outcome, parameter: Parameter) -> str:
    values = _values(outcome, parameter)
    if not values:
        return "–"
    if isinstance(parameter.domain, Choice):
        counts = Counter(map(value_text, values)).most_common(4)
        return ", ".join(f"{label} ({share(times / len(values))})" for label, times in counts)
    low, middle, high = min(values), statistics.median_low(values), max(values)
    return f"{value_text(low)} to {value_text(high)}, median {value_text(middle)}"


def _edges(outcome: Outcome, parameters: list[Parameter]) -> list[str]:
    """Ranges at whose end the best trials lie."""
    found = []
    for parameter in parameters:
        domain, values = parameter.domain, _values(outcome, parameter)
        if isinstance(domain, Choice) or len(values) < MIN_BEST or domain.low == domain.high:
            continue
        position = position_of(domain, statistics.median_low(values))
        if not EDGE <= position <= 1 - EDGE:
            end = ("lower", domain.low) if position < EDGE else ("upper", domain.high)
            found.append(f"the {end[0]} end of {parameter.name} ({value_text(end[1])})")
    if not found:
        return []
    return [f"The best trials lie at {listed(found)}: a wider range may hold better ones."]
