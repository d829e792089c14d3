"""Many broken experiment files: each is an experiment, or one clear error; never a crash, never a hang.

    python tests/fuzz/experiments.py                     # 10,000 files from seed 0 (`make fuzz`)
    python tests/fuzz/experiments.py --first 4711 --count 1    # a crash again

Prints how many files had which outcome, and each crash with its seed; exits 1 when there is one.
"""

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from mutations import mutant, shipped_texts

from tuner.errors import TunerError
from tuner.spec import Experiment

LIMIT_S = 10.0
"""A file that takes longer counts as a hang."""


class Hang(Exception):
    """A file was not read in time."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Reads mutated experiment files.")
    parser.add_argument("--count", type=int, default=10_000, help="files (default: 10000)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one (default: 0)")
    options = parser.parse_args()
    outcomes, crashes = run(range(options.first, options.first + options.count))
    print(
        f"{sum(outcomes.values())} files: " + ", ".join(f"{n} {name}" for name, n in outcomes.most_common())
    )
    for seed, trace in crashes.items():
        print(f"\nseed {seed}:\n{trace}")
    return 1 if crashes else 0


def run(seeds: range) -> tuple[Counter[str], dict[int, str]]:
    """How many of the files of these seeds had which outcome; and of each crash its trace."""
    texts = shipped_texts()
    outcomes: Counter[str] = Counter()
    crashes: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mutant.yaml"
        for seed in seeds:
            file.write_bytes(mutant(texts, seed))
            outcome, trace = outcome_of(file)
            outcomes[outcome] += 1
            if trace is not None:
                crashes[seed] = trace
    return outcomes, crashes


def outcome_of(file: Path) -> tuple[str, str | None]:
    """The name of what loading `file` gave, and the trace of what it must not give."""
    try:
        with time_limit(LIMIT_S):
            experiment = Experiment.load(file)
            file.write_text(experiment.to_yaml())
            assert Experiment.load(file) == experiment, "what was written is not what was read"
            list(experiment.representatives())
        return "Experiment", None
    except TunerError as error:
        return type(error).__name__, None
    except Exception as error:  # whatever it is, it is the finding
        return f"CRASH {type(error).__name__}", traceback.format_exc(limit=-6)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises Hang in the block when it takes longer."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    began_s = time.monotonic()
    status = main()
    print(f"took {time.monotonic() - began_s:.0f} s")
    sys.exit(status)
