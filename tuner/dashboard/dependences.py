"""Partial dependence as it is sent. The last forest is kept, and what was asked of it, until there are news.

kept = Dependences()
kept.told((version, metric), space, tried, ("train.lr",))
"""

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuner.dashboard.tables import plain
from tuner.spec import Space

if TYPE_CHECKING:
    from tuner.search.dependence import Forest

Json = dict[str, Any]


class Dependences:
    """Of one experiment."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        """So that two views that ask at once share one forest."""
        self._of: tuple[str, str] | None = None
        self._forest: Forest | None = None
        self._told: dict[tuple[str, ...], Json] = {}

    def told(
        self,
        of: tuple[str, str],
        space: Space,
        tried: Sequence[tuple[Mapping[str, Any], float]],
        names: tuple[str, ...],
    ) -> Json:
        """How the values depend on the parameters, one or two.

        Args:
            of: version and metric of what was tried.
        """
        from tuner.search.dependence import fitted  # Optuna and scikit-learn take two seconds to load.

        with self._guard:
            if of != self._of:
                self._of, self._forest, self._told = of, fitted(space, tried), {}
            if names not in self._told:
                self._told[names] = _told(self._forest, of[1], len(tried), names)
            return self._told[names]


def no_dependence(names: Sequence[str], num_trials: int, note: str) -> Json:
    parameters = [{"name": name, "values": []} for name in names]
    return {"parameters": parameters, "mean": [], "spread": [], "n": num_trials, "having": 0, "note": note}


def _told(forest: "Forest | None", metric: str, num_trials: int, names: tuple[str, ...]) -> Json:
    from tuner.search.importance import MIN_TRIALS

    if forest is None:
        need = f"{MIN_TRIALS} trials with values of {metric} that are not all equal"
        return no_dependence(names, num_trials, f"partial dependence needs {need}; found {num_trials}.")
    found = forest.dependence(names)
    if found is None:
        return no_dependence(
            names, num_trials, f"no trial with a value of {metric} has {' and '.join(names)}."
        )
    return {
        "parameters": [
            {"name": name, "values": plain(values)} for name, values in zip(names, found.values, strict=True)
        ],
        "mean": plain(found.mean.tolist()),
        "spread": plain(found.spread.tolist()),
        "n": num_trials,
        "having": found.num_trials,
        "note": None,
    }
