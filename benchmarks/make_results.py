"""Makes an experiment's folder of any size in seconds, through the real writers, to try on what reads it.

    python benchmarks/make_results.py /tmp/made --trials 1000 --reports 100
    python benchmarks/make_results.py /tmp/done --trials 32 --done

Without `--done` the search stands in the middle: trials are RUNNING, PAUSED, COMPLETE, STOPPED, DIVERGED,
INFEASIBLE and FAILED. With it the search has ended, and its best trials are confirmed by fresh runs. The
curves are made up, the decisions on them are not: see `_made_search.py`.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _made_search import MadeFolder, MadeSearch

from tuner.records.paths import ExperimentPaths
from tuner.spec import Experiment

SPEC = Path(__file__).resolve().parent.parent / "search_spaces" / "digits_cnn.yaml"
IN_MEMORY = Path("/dev/shm")
"""Each line is synced; there that takes a microsecond, on a disk 2 ms."""


def make(out: Path, *, trials: int, reports: int, gangs: int, seed: int, full: bool, done: bool) -> None:
    """Makes the folder `out`, which must not be there; its last line happens now."""
    experiment = _experiment(out.name, trials, reports, seed)
    lines = list(MadeSearch(experiment, num_gangs=gangs, seed=seed, is_full=full).lines())
    if not done:
        num_searched = [line["action"] for line in lines].index("END")
        lines = lines[: num_searched * 4 // 5]
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as scratch:
        made = ExperimentPaths(Path(scratch) / out.name)
        folder = MadeFolder(made, experiment, begin_s=time.time() - lines[-1]["spent_s"])
        for line in lines:
            folder.take(line)
        folder.close()
        shutil.copytree(made.root, out)


def begin(
    out: Path, *, trials: int, reports: int, gangs: int, seed: int
) -> tuple[MadeFolder, Iterator[dict[str, Any]]]:
    """Makes the folder as `make` does, up to its middle; what takes the lines that come next, and they."""
    experiment = _experiment(out.name, trials, reports, seed)
    lines = list(MadeSearch(experiment, num_gangs=gangs, seed=seed, is_full=True).lines())
    middle = len(lines) * 4 // 5
    folder = MadeFolder(ExperimentPaths(out), experiment, begin_s=time.time() - lines[middle]["spent_s"])
    for line in lines[:middle]:
        folder.take(line)
    folder.write_table()
    return folder, iter(lines[middle:])


def _experiment(name: str, trials: int, reports: int, seed: int) -> Experiment:
    overrides = [f"train.epochs={reports}", f"search.trials={trials}", f"search.seed={seed}"]
    scheduler = "search.scheduler={type: asha, variant: promotion}"
    return Experiment.load(SPEC, [*overrides, scheduler, f"name={name}"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the folder to make")
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--reports", type=int, default=27, help="of a full training")
    parser.add_argument("--gangs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full", action="store_true", help="no trial is cut")
    parser.add_argument("--done", action="store_true", help="the search has ended and its best are confirmed")
    began_s = time.perf_counter()
    arguments = parser.parse_args()
    make(**vars(arguments))
    print(f"made {arguments.out} in {time.perf_counter() - began_s:.1f} s")


if __name__ == "__main__":
    main()
