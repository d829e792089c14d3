"""What was searched: data, model, space, budget, and how far it has come."""

from collections import Counter
from typing import Any

from tuner.records.states import TrialState
from tuner.search_report.outcome import Outcome
from tuner.search_report.words.parts import Section, Table, count, duration, listed, value_text
from tuner.spec import Choice, Domain, Parameter
from tuner.spec.domains import show


def searched(outcome: Outcome) -> Section:
    tables = [Table(("", ""), tuple(_facts(outcome)))]
    if outcome.parameters:
        tables.append(Table(("parameter", "searched in", "when"), tuple(map(_parameter, outcome.parameters))))
    return Section("What was searched", tuple(_sentences(outcome)), tuple(tables))


def _sentences(outcome: Outcome) -> list[str]:
    search = outcome.settings["search"]
    direction = "highest" if outcome.is_max else "lowest"
    each = f", each of at most {count(outcome.max_reports, 'report')}" if outcome.max_reports else ""
    asked = count(search["trials"], "trial")
    sentences = [
        f"{outcome.name} looked for the {direction} {outcome.metric} over "
        f"{count(len(outcome.parameters), 'parameter')}: {asked} were asked for{each}."
    ]
    return [*sentences, _standing(outcome), *_progress(outcome)]


def _standing(outcome: Outcome) -> str:
    at = f"{outcome.written:%Y-%m-%d %H:%M} UTC"
    took = "" if outcome.search_s is None else f" after {duration(outcome.search_s)}"
    if outcome.standing == "running":
        return f"The search still runs{took}; this is a picture of {at}."
    if outcome.standing == "interrupted":
        return f"The search was interrupted{took} and can go on; this is a picture of {at}."
    reason = f": {outcome.end_reason}" if outcome.end_reason else ""
    return f"The search has ended{took}{reason}."


def _progress(outcome: Outcome) -> list[str]:
    if not outcome.rows:
        return ["No trial has begun yet, so there is nothing more to tell."]
    states = Counter(row.state for row in outcome.searched)
    parts = [f"{states[state]} {state.value}" for state in TrialState if states[state]]
    trained_s = [row.seconds for row in outcome.rows if row.seconds is not None]
    gpu_s = [row.gpu_seconds for row in outcome.rows if row.gpu_seconds is not None]
    sentence = f"{count(len(outcome.searched), 'trial')} began: {listed(parts)}."
    if trained_s:
        gpus = f", or {duration(sum(gpu_s))} of GPU time" if gpu_s else ""
        fresh = f" and {count(len(outcome.fresh), 'fresh run')}" if outcome.fresh else ""
        sentence += f" All trials{fresh} together took {duration(sum(trained_s))}{gpus}."
    return [sentence]


def _facts(outcome: Outcome) -> list[tuple[str, str]]:
    settings, search = outcome.settings, outcome.settings["search"]
    facts = {
        "task": str(settings.get("task", "")).replace("_", " "),
        "trained by": settings.get("function", ""),
        "data": _named(settings.get("data", {}).get("source")),
        "split": _pairs(settings.get("data", {}).get("split")),
        "model": _named(_fixed(settings.get("model"))),
        "objectives": ", ".join(f"{metric} ({mode})" for metric, mode in outcome.objectives.items()),
        "constraints": ", ".join(
            f"{metric}: {_pairs(bound)}" for metric, bound in search.get("constraints", {}).items()
        ),
        "sampler": _named(search.get("sampler")),
        "scheduler": _named(search.get("scheduler")),
        "fresh runs": _pairs(settings.get("confirm")),
        "one trial takes": _pairs(settings.get("resources")),
    }
    return [(name, text) for name, text in facts.items() if text]


def _fixed(section: Any) -> Any:
    """What is not searched of a section."""
    if not isinstance(section, dict):
        return section
    return {key: value for key, value in section.items() if not isinstance(value, dict | list)}


def _named(value: Any) -> str:
    """A name, with its switches where it has some."""
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    switches = _pairs({key: each for key, each in value.items() if key != "type"})
    return f"{value.get('type', '')}{f' ({switches})' if switches else ''}"


def _pairs(value: Any) -> str:
    """A mapping on one line, without what is null."""
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    return ", ".join(f"{key} {_short(each)}" for key, each in value.items() if each is not None)


def _short(value: Any) -> str:
    return show(value) if isinstance(value, dict | list) else value_text(value)


def _parameter(parameter: Parameter) -> tuple[str, str, str]:
    when = " and ".join(f"{name} is {value_text(label)}" for name, label in parameter.conditions)
    return parameter.name, domain_text(parameter.domain), when


def domain_text(domain: Domain) -> str:
    if isinstance(domain, Choice):
        return ", ".join(map(value_text, domain.labels))
    step = f", in steps of {value_text(domain.step)}" if domain.step is not None else ""
    return f"{value_text(domain.low)} to {value_text(domain.high)}{', log' * domain.log}{step}"
