"""Outcomes made by hand: no folder, no training."""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from tuner.records.confirmation import confirmation_of
from tuner.records.rows import TrialRow
from tuner.records.states import TrialState
from tuner.search_report.outcome import Outcome
from tuner.spec import Choice, Float, Parameter
from tuner.spec.sections import ConfirmSpec

LR, OPTIMIZER = "train.lr", "train.optimizer"
PARAMETERS = (
    Parameter(LR, Float(1e-4, 1.0, log=True)),
    Parameter(OPTIMIZER, Choice(["adam", "sgd"])),
    Parameter("train.momentum", Float(0.0, 0.9), conditions=((OPTIMIZER, "sgd"),)),
)
SETTINGS: dict[str, Any] = {
    "name": "by_hand",
    "task": "image_classification",
    "data": {"source": {"type": "sklearn", "name": "digits"}, "split": {"train": 0.8, "val": 0.2}},
    "model": {"type": "cnn", "depth": {"int": [1, 3]}},
    "search": {
        "metric": "val/accuracy",
        "mode": "max",
        "trials": 8,
        "sampler": "gp",
        "scheduler": {"type": "asha", "factor": 3},
        "seed": 7,
    },
}


def row(
    number: int, state: str = "COMPLETE", value: float | None = None, reports: int = 9, **rest: Any
) -> TrialRow:
    """A trial that took ten seconds a report."""
    return TrialRow(
        number=number,
        state=TrialState(state),
        params=rest.pop("params", {LR: 0.01 * (number + 1), OPTIMIZER: "adam"}),
        best={} if value is None else {"val/accuracy": value},
        reports=reports,
        seconds=10.0 * reports,
        **rest,
    )


def fresh(number: int, confirms: int, value: float, seed: int) -> TrialRow:
    return row(number, value=value, confirms=confirms, seed=seed)


def outcome(
    rows: Sequence[TrialRow], confirm: ConfirmSpec | None = None, search: Any = None, **others: Any
) -> Outcome:
    settings = SETTINGS | {"search": SETTINGS["search"] | (search or {})}
    found = confirm and confirmation_of(rows, confirm, "val/accuracy", settings["search"]["mode"])
    nothing = {"importances": [], "n": len(rows), "note": "importances need 20 trials."}
    plain: dict[str, Any] = {
        "name": "by_hand",
        "folder": "results/by_hand",
        "file": "name: by_hand\n",
        "settings": settings,
        "parameters": PARAMETERS,
        "standing": "done",
        "end_reason": None,
        "rows": tuple(rows),
        "confirmation": found,
        "max_reports": 9,
        "search_s": 600.0,
        "importance": nothing,
        "environment": {
            "command": ["tuner", "run", "a b.yaml"],
            "packages": {"torch": "2.6"},
            "python": "3.11",
        },
        "written": datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc),
    }
    return Outcome(**plain | others)
