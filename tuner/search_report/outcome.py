"""`Outcome`: all that the words of a report tell of an experiment, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuner.records.confirmation import Confirmation
from tuner.records.rows import TrialRow, ranked_rows, search_rows
from tuner.spec import Parameter


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """An experiment of ours as it stood when the report was written."""

    name: str
    folder: str
    """As one would type it."""
    file: str
    """The experiment file's text."""
    settings: Mapping[str, Any]
    """The same as a tree."""
    parameters: tuple[Parameter, ...]
    """What was searched."""
    standing: str
    """`running`, `done` or `interrupted`."""
    end_reason: str | None
    """Which condition of `search.stop` ended the search."""
    rows: tuple[TrialRow, ...]
    """Of the search and of the fresh runs, by number."""
    confirmation: Confirmation | None
    max_reports: int | None
    """Of a whole training; None where nobody knows."""
    search_s: float | None
    """How long the search took; None before it has begun."""
    importance: Mapping[str, Any]
    """The dashboard's answer: importances, n, note."""
    environment: Mapping[str, Any] | None
    """What it ran on; None where that was lost."""
    written: datetime

    @property
    def metric(self) -> str:
        return str(self.settings["search"]["metric"])

    @property
    def is_max(self) -> bool:
        return bool(self.settings["search"]["mode"] == "max")

    @property
    def objectives(self) -> dict[str, str]:
        """Metric to `min` or `max`, the searched metric first."""
        search = self.settings["search"]
        return {self.metric: search["mode"], **search.get("also", {})}

    @property
    def is_function(self) -> bool:
        """Whether a function of one's own trained."""
        return "function" in self.settings

    @property
    def searched(self) -> list[TrialRow]:
        """Trials of the search itself."""
        return search_rows(self.rows)

    @property
    def fresh(self) -> list[TrialRow]:
        """Runs that repeat a trial with another seed."""
        return [row for row in self.rows if row.confirms is not None]

    @property
    def ranked(self) -> list[TrialRow]:
        """Sound trials of the search with a value, the best first."""
        return ranked_rows(self.rows, self.metric, "max" if self.is_max else "min")

    def lead(self, value: float, other: float) -> float:
        """How much better `value` is than `other`; negative where it is worse."""
        return value - other if self.is_max else other - value
