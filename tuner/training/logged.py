"""What a rank says in its trial's `log.txt`, which is where its standard error goes.

A log that a full disk does not take is no reason to end a training.
"""

import sys
import traceback
from contextlib import suppress


def say(line: str) -> None:
    """One line."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def say_error() -> None:
    """The traceback of the exception that is being handled."""
    with suppress(OSError):
        traceback.print_exc()
        sys.stderr.flush()


def flush() -> None:
    """What was printed so far comes before what native code says next."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
