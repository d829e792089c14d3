"""Searchers propose configurations, schedulers stop the losers; both are plain objects, without Ray.

The interfaces are here; `tuner.search.factory` makes the objects and is what imports optuna.
"""

from tuner.search.scheduler import Action, Decision, Scheduler
from tuner.search.searcher import Searcher, Suggestion

__all__ = ["Action", "Decision", "Scheduler", "Searcher", "Suggestion"]
