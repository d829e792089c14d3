"""Does a long search cost more with every trial? The driver's memory, files, threads and children.

    python benchmarks/leaks.py [--trials 1000]     # writes results/benchmarks/leaks.md

One search of many short trials (a function of one's own with three reports, promotion ASHA, random sampler)
on two gangs. A listener measures the driver whenever another hundredth of the trials has ended; the growth a
trial is the slope of a line through the last four fifths of these points. Afterwards shared memory is
compared with what there was before, and processes that the search began are looked for.
"""

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from _mark import marked, ours
from _table import write_table

import tuner
from tuner.execution.conductor import Conductor

TRIALS = 1000
REPORTS = 3
POINTS = 100
LIMIT_BYTES = 20_000


def train(config: dict[str, float], trial: tuner.Trial) -> Iterator[dict[str, float]]:
    for step in range(trial.num_reports, REPORTS):
        yield {"val/loss": config["x"] + 1 / (step + 1)}


@dataclass
class Meter:
    """A listener that measures this process as trials end."""

    every: int
    ended: list[int] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    zombies: list[int] = field(default_factory=list)

    def __call__(self, conductor: Conductor) -> None:
        ended = sum(row.state.is_finished() for row in conductor.rows.values())
        if ended and ended % self.every == 0 and ended not in self.ended:
            self._measure(ended)

    def _measure(self, ended: int) -> None:
        gc.collect()
        process = psutil.Process()
        self.ended.append(ended)
        self.memory_bytes.append(process.memory_full_info().uss)
        self.files.append(process.num_fds())
        self.threads.append(process.num_threads())
        children = process.children(recursive=True)
        self.zombies.append(sum(child.status() == psutil.STATUS_ZOMBIE for child in children))

    def slope(self, values: list[int]) -> float:
        """Growth a trial over the last four fifths."""
        start = len(values) // 5
        return float(np.polyfit(self.ended[start:], values[start:], 1)[0])


def around() -> set[str]:
    """What may be left behind: shared memory, and processes that this one began."""
    processes = {f"{one.pid} {one.name()}" for one in ours()}
    return {str(path) for path in Path("/dev/shm").glob("*")} | processes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=TRIALS)
    trials = parser.parse_args().trials
    os.environ.update(marked())
    before, began_s = around(), time.monotonic()
    meter = Meter(every=max(1, trials // POINTS))
    experiment = tuner.Experiment(
        train=train,
        space={"x": tuner.Float(0.0, 1.0)},
        metric="val/loss",
        name="leaks",
        trials=trials,
        sampler="random",
        scheduler={"type": "asha", "variant": "promotion", "factor": 2},
        checkpoints=True,
        max_reports=REPORTS,
        gpus_per_worker=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        result = tuner.run(experiment, results=folder, listeners=[meter])
        assert len(result.rows) == trials, len(result.rows)
    took_s = time.monotonic() - began_s
    time.sleep(5)
    left = sorted(around() - before)
    rows = [
        ("memory (USS), bytes a trial", f"{meter.slope(meter.memory_bytes):,.0f}", f"< {LIMIT_BYTES:,}"),
        ("memory at the start and the end, MB", _ends(meter.memory_bytes, 1e6), ""),
        ("open files", _ends(meter.files), "no growth"),
        ("threads", _ends(meter.threads), "no growth"),
        ("zombie processes, at most", str(max(meter.zombies)), "0"),
        ("left of processes and shared memory 5 s afterwards", ", ".join(left) or "nothing", "nothing"),
    ]
    work = f"{trials} trials of {REPORTS} reports in {took_s:.0f} s, promotion ASHA, 2 gangs of a rank"
    header = ["driver", "found", "wanted"]
    write_table("leaks", "Leaks", {"work": work}, header, rows, is_complete=trials >= TRIALS)


def _ends(values: list[int], unit: float = 1) -> str:
    start = values[len(values) // 5]
    return f"{start / unit:,.0f} → {values[-1] / unit:,.0f}"


if __name__ == "__main__":
    main()
