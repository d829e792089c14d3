"""Waiting for a database that does not answer.

    patience = Patience()
    trials = patience.run(study.get_trials, name="postgresql://me:***@host/studies")

What an outage broke off is done again after each of `PAUSES_S`; so only calls that may be done twice are run.
The user reads one line when an outage begins and one when it is over, from the logger `tuner` (on stderr
where nobody has configured it).
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

from tuner.errors import StorageError

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Between a failure and the next try. The tries' own time comes on top (`tuner.search.database`)."""

_logger = logging.getLogger("tuner")
_Result = TypeVar("_Result")


class Outage(Exception):
    """The database could not be reached, or broke off; its text says what the driver said."""


@dataclass(frozen=True)
class Patience:
    """Tries again while there is an outage."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    """seconds that only go forward"""
    pauses_s: Sequence[float] = PAUSES_S

    def run(self, call: Callable[[], _Result], name: str) -> _Result:
        """What `call` returns, or raises where that is no outage; StorageError where `name` stays away."""
        began_s, is_out = self.clock(), False
        for pause_s in (*self.pauses_s, None):
            try:
                result = call()
            except Exception as error:
                reason = outage_of(error)
                if reason is None:
                    raise
                if pause_s is None:
                    raise StorageError(_away(name, self.clock() - began_s, reason)) from error
                if not is_out:
                    _logger.warning("%s does not answer (%s); it is tried again", name, reason)
                is_out = True
                self.sleep(pause_s)
            else:
                if is_out:
                    _logger.warning("%s answers again after %.0f s", name, self.clock() - began_s)
                return result
        raise AssertionError("the last try returns or raises")


def outage_of(error: BaseException | None) -> str | None:
    """What the driver said, where the error is an outage or was raised from one; None where it is neither."""
    if isinstance(error, Outage | ConnectionError):
        return first_line(error)
    if is_broken_off(error):
        assert isinstance(error, DBAPIError)
        return first_line(error.orig or error)
    return None if error is None else outage_of(error.__cause__)


def is_broken_off(error: BaseException | None) -> bool:
    """Whether the database, not the statement, is to blame."""
    if isinstance(error, OperationalError | InterfaceError | InternalError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def first_line(error: BaseException) -> str:
    """Of the error's text; its kind where there is none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _away(name: str, seconds: float, reason: str) -> str:
    return (
        f"search.storage must be a database that answers, but {name} did not for {seconds:.0f} s ({reason})"
    )
