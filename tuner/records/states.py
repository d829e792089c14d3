"""The states of a trial and the one table of its transitions."""

from enum import Enum


class TrialState(str, Enum):
    """Where a trial stands."""

    QUEUED = "QUEUED"
    """Waits for a gang: it was suggested, or goes on."""
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    """Trained to its full budget, or ended by its own early stop."""
    STOPPED = "STOPPED"
    """Cut by the scheduler or with the search."""
    DIVERGED = "DIVERGED"
    """Its loss became NaN or infinite."""
    INFEASIBLE = "INFEASIBLE"
    """Cannot run within a constraint; not an error."""
    FAILED = "FAILED"
    """An error, after its retries."""

    def is_finished(self) -> bool:
        return not _NEXT[self]


_ENDS = {
    TrialState.COMPLETE,
    TrialState.STOPPED,
    TrialState.DIVERGED,
    TrialState.INFEASIBLE,
    TrialState.FAILED,
}
_NEXT: dict[TrialState, set[TrialState]] = {
    TrialState.QUEUED: {TrialState.RUNNING},
    TrialState.RUNNING: {TrialState.PAUSED, TrialState.QUEUED, *_ENDS},
    TrialState.PAUSED: {TrialState.QUEUED, TrialState.RUNNING, TrialState.STOPPED},
    **{end: set() for end in _ENDS},
}


def advance(old: TrialState, new: TrialState) -> TrialState:
    """`new`, if a trial may go there from `old`."""
    assert new in _NEXT[old], f"a trial does not go from {old.value} to {new.value}"
    return new


TOLD_TO_STOP = "somebody told it to stop"
"""The reason of a trial that a command ended."""
