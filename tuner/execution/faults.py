"""What went wrong in a gang, told from how the calls of its ranks ended. Pure functions.

A rank that dies takes the others along: they raise because its connection is closed, or wait for ever. So the
fault is told from all ranks, the heaviest sign first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from tuner.training.memory import says_out_of_memory
from tuner.training.report import Fault


class GangError(Exception):
    """There is no result of the gang; `fault` says why in a word, the message in a sentence."""

    fault: ClassVar[Fault]


class TrialRaised(GangError):
    """The trial raised an error on the ranks, and none still waits for another; the gang is sound."""

    fault = "error"


class GangLost(GangError):
    """A rank died or no longer answers; the gang must be replaced."""

    fault = "lost"


class OutOfMemory(GangError):
    """A rank ran out of memory; the gang must be replaced."""

    fault = "memory"


class RankFailed(Exception):
    """What a rank raises: its error in words, since the error itself may not survive the way to another
    process.
    """

    def __init__(self, reason: str, is_memory: bool) -> None:
        super().__init__(reason, is_memory)
        self.reason, self.is_memory = reason, is_memory

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class End:
    """How one rank's call ended."""

    kind: Literal["returned", "raised", "died", "late"]
    """`late`: it has not ended, though another rank's call has failed."""
    rank: str
    """For people: `rank 1 (process 123 on host a)`."""
    reason: str = ""
    """Of `raised` the error; of `died` Ray's account of it."""
    is_memory: bool = False


def fault_of(ends: Sequence[End], log: str, hung_s: float | None) -> GangError:
    """The fault of a call that failed on some rank.

    Args:
        ends: one a rank, in rank order.
        log: what the ranks wrote to the trial's log since the call began.
        hung_s: for so long a rank that its watchdog ended made no progress; None where none spoke.
    """
    full = [end for end in ends if end.is_memory]
    if full:
        return OutOfMemory(f"{full[0].rank} ran out of memory: {full[0].reason}")
    died = [end for end in ends if end.kind == "died"]
    late = [end for end in ends if end.kind == "late"]
    if died and hung_s is not None:
        return GangLost(_no_progress(hung_s, late))
    if died:
        lost = f"{_names(died)} died: {_cause(died[0].reason, log)}"
        return OutOfMemory(lost) if says_out_of_memory(_last_words(log)) else GangLost(lost)
    raised = next(end for end in ends if end.kind == "raised")
    if late:
        return GangLost(f"{raised.rank} raised {raised.reason}, while {_names(late)} waited for it")
    return TrialRaised(raised.reason)


def silent(ranks: Sequence[str], hang_seconds: float) -> GangLost:
    """Not even a watchdog spoke: the processes are stopped."""
    return GangLost(f"no progress for {hang_seconds:g} s, and no answer of {' and '.join(ranks)}")


def describe(error: BaseException) -> str:
    """The error's type and its first line; the whole traceback goes to the trial's `log.txt`."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _no_progress(hang_seconds: float, late: Sequence[End]) -> str:
    reason = f"no progress for {hang_seconds:g} s; the stacks of all ranks are in log.txt"
    return f"{reason}, but for {_names(late)}, which did not answer" if late else reason


def _names(ends: Sequence[End]) -> str:
    return " and ".join(end.rank for end in ends)


def _cause(account: str, log: str) -> str:
    """Why a process ended, as far as it can be known."""
    if "node has died" in account or "node is dead" in account.lower():
        return "its node is gone"
    fatal = re.findall(r"^Fatal Python error: (.+)$", log, re.MULTILINE)
    if fatal:
        return f"{fatal[-1]}, see log.txt"
    code = re.search(r"exit code (\d+)", account)
    if code:
        return f"exit code {code[1]}"
    return "it was killed, or ended without a word"


def _last_words(log: str) -> str:
    return "\n".join(log.splitlines()[-50:])
