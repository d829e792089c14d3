"""Ten minutes of faults: is everything there when the search has been resumed to its end?

    python benchmarks/soak.py [--minutes 10] [--seed 0]     # writes results/benchmarks/soak.md

A search of short trials (a function of one's own that keeps its state, two ranks a gang, promotion ASHA,
`tpe`) runs as a process of its own. Every few seconds, at random, something is killed, stopped or
interrupted: a rank, the trainable, the driver (SIGKILL, SIGTERM, SIGINT once or twice), or the newest
checkpoint of a trial is damaged. When the driver has ended it is resumed. After the time is up it is resumed
without faults until it is done, and then:

- numbers: every trial once, without a gap, as many as asked for
- the study, `decisions.jsonl` and `trials.csv` say the same
- curves: every trial's values are those that its parameters give, each report once
- the best value belongs to the trial that the table names, by its own parameters
- nothing that the search began is left
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _mark import marked, ours
from _table import write_table

import tuner
from tuner.execution.conductor import new_state
from tuner.execution.decisions import read_decisions
from tuner.records.checkpoints import sound_checkpoints
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials
from tuner.results.result import Result
from tuner.search.factory import make_searcher

MINUTES = 10.0
PERIOD_S = (2.0, 12.0)
"""Between two faults."""
DRIVER_SHARE = 0.25
"""Of the faults, those that end the driver."""
AT_ONCE_SHARE = 0.2
"""Of the drivers, those that are harmed before they have heard a report."""
START_S = 90.0
"""The longest wait for a first report."""
TRIALS = 4000
"""More than the time allows; the search is told to end with as many as it has by then, and 20 more."""
MORE = 20
REPORTS = 9


def train(config: dict[str, float], trial: tuner.Trial) -> Iterator[dict[str, float]]:
    """Keeps its own state, from which alone it computes: a lost or repeated step would show in its values."""
    import torch
    import torch.distributed

    kept = Path(trial.folder, "state.json")
    x = json.loads(kept.read_text()) if trial.num_reports else config["x"]
    for _ in range(trial.num_reports, REPORTS):
        time.sleep(0.05)
        torch.distributed.all_reduce(torch.ones(1))
        x = following(x, config["rate"])
        if trial.rank == 0:
            kept.write_text(json.dumps(x))
        yield {"val/loss": x}


def following(x: float, rate: float) -> float:
    return x * (1 - rate) + 0.01 * rate


def experiment(trials: int) -> tuner.Experiment:
    return tuner.Experiment(
        train=train,
        space={"x": tuner.Float(1.0, 2.0), "rate": tuner.Float(1e-3, 0.9, log=True)},
        metric="val/loss",
        name="soak",
        trials=trials,
        sampler="tpe",
        scheduler={"type": "asha", "variant": "promotion"},
        checkpoints=True,
        max_reports=REPORTS,
        workers=2,
        cpus_per_worker=0.5,
        gpus_per_worker=0,
        recovery={"hang_seconds": 8.0, "checkpoint_seconds": 0.2, "retries": 20},
    )


def search(results: Path, trials: int) -> None:
    """What the driver's process does."""
    folder = results / "soak"
    try:
        if (folder / "decisions.jsonl").exists():
            tuner.resume(folder, train=train, trials=trials)
        else:
            tuner.run(experiment(trials), results=results)
    except tuner.TunerError as error:
        sys.exit(str(error))


class Soak:
    """Drives the search, and harms it."""

    def __init__(self, results: Path, seed: int) -> None:
        self.results, self.random = results, random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.num_drivers = 0
        self.driver: subprocess.Popen[bytes] | None = None

    @property
    def paths(self) -> ExperimentPaths:
        return ExperimentPaths(self.results / "soak")

    def run(self, minutes: float) -> None:
        ends_s = time.monotonic() + minutes * 60
        while time.monotonic() < ends_s:
            self._keep_driving(TRIALS)
            time.sleep(self.random.uniform(*PERIOD_S))
            self._harm()

    def _wait_for_life(self) -> None:
        """Until the driver that has just begun hears its first report; but not always."""
        if self.random.random() < AT_ONCE_SHARE:
            return
        before, until_s = _num_reports(self.paths), time.monotonic() + START_S
        while _num_reports(self.paths) == before and time.monotonic() < until_s:
            time.sleep(0.2)

    def finish(self) -> int:
        """To the end, without faults; how many trials there are."""
        self._end_driver()
        trials = _num_trials(self.paths) + MORE
        while self._drive(trials) != 0:
            pass
        return trials

    def _keep_driving(self, trials: int) -> None:
        if self.driver is None or self.driver.poll() is not None:
            self.driver = self._start(trials)
            self._wait_for_life()

    def _drive(self, trials: int) -> int:
        return self._start(trials).wait()

    def _start(self, trials: int) -> "subprocess.Popen[bytes]":
        self.num_drivers += 1
        command = [sys.executable, __file__, "--search", str(self.results), "--trials", str(trials)]
        log = (self.results / "drivers.log").open("ab")
        return subprocess.Popen(command, env=marked(), stdout=log, stderr=log, start_new_session=True)

    def _end_driver(self) -> None:
        if self.driver is not None and self.driver.poll() is None:
            self.driver.terminate()
            self.driver.wait()

    def _harm(self) -> None:
        """One fault, of the driver or of a gang; where there is no gang, of the driver."""
        kinds = [self._kill_rank, self._stop_rank, self._kill_trainable, self._spoil_checkpoint]
        others = [self._kill_driver, self._terminate_driver, self._interrupt_driver, self._interrupt_twice]
        self.random.shuffle(kinds)
        self.random.shuffle(others)
        chosen = [*others, *kinds] if self.random.random() < DRIVER_SHARE else [*kinds, *others]
        kind = next((kind for kind in chosen if kind()), None)
        if kind is not None:
            self.faults[kind.__name__.strip("_").replace("_", " ")] += 1

    def _kill_rank(self) -> bool:
        return self._signal("ray::_Rank", signal.SIGKILL)

    def _stop_rank(self) -> bool:
        return self._signal("ray::_Rank", signal.SIGSTOP)

    def _kill_trainable(self) -> bool:
        return self._signal("ray::TrialRunner", signal.SIGKILL)

    def _kill_driver(self) -> bool:
        return self._signal_driver(signal.SIGKILL)

    def _terminate_driver(self) -> bool:
        return self._signal_driver(signal.SIGTERM)

    def _interrupt_driver(self) -> bool:
        return self._signal_driver(signal.SIGINT)

    def _interrupt_twice(self) -> bool:
        if not self._signal_driver(signal.SIGINT):
            return False
        time.sleep(self.random.uniform(0, 1))
        self._signal_driver(signal.SIGINT)
        return True

    def _signal_driver(self, number: signal.Signals) -> bool:
        if self.driver is None or self.driver.poll() is not None or not self.paths.decisions.exists():
            return False
        self.driver.send_signal(number)
        if number == signal.SIGKILL:
            self.driver.wait()
        return True

    def _signal(self, name: str, number: signal.Signals) -> bool:
        found = [one for one in ours() if " ".join(one.cmdline()).startswith(name)]
        if not found:
            return False
        self.random.choice(sorted(found, key=lambda one: one.pid)).send_signal(number)
        return True

    def _spoil_checkpoint(self) -> bool:
        """Flips a byte of the newest one of a trial that has not ended."""
        folders = sorted(self.paths.trials.glob("*"))
        found = [f for f in folders if next(sound_checkpoints(self.paths.trial(int(f.name))), None)]
        if not found:
            return False
        newest = next(sound_checkpoints(self.paths.trial(int(self.random.choice(found).name))))
        files = sorted(path for path in newest.folder.rglob("*") if path.is_file())
        try:
            _flip(self.random.choice(files), self.random)
        except OSError:  # the trial has just ended, and its checkpoints are gone
            return False
        return True


def _flip(path: Path, generator: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[generator.randrange(len(content))] ^= 1
    with path.open("r+b") as file:
        file.write(content)


def _num_reports(paths: ExperimentPaths) -> int:
    return sum("metrics" in line for line in read_decisions(paths.decisions))


def _num_trials(paths: ExperimentPaths) -> int:
    return sum(line["action"] == "BEGIN" for line in read_decisions(paths.decisions))


def check(paths: ExperimentPaths, trials: int) -> dict[str, str]:
    """What was looked at, and what was found; an AssertionError where it is wrong."""
    rows, asked = read_trials(paths.trials_csv), experiment(trials)
    assert [row.number for row in rows] == list(range(trials)), "numbers have gaps, or trials are missing"
    assert all(row.state.is_finished() for row in rows)
    state = new_state(asked)
    for line in read_decisions(paths.decisions):
        state.apply(line)
    assert list(state.rows.values()) == rows, "decisions.jsonl and trials.csv differ"
    searcher = make_searcher(asked.space, asked.search, paths.journal, study_name="soak")
    seen = searcher.observations()
    assert [(one.number, one.params, one.state) for one in seen] == [
        (row.number, row.params, row.state) for row in rows
    ], "study and trials.csv differ"
    result = Result.open(paths.root)
    curves = result.curves("val/loss")
    for row in rows:
        curve = curves[curves["trial"] == row.number].sort_values("step")
        expected = _expected(row.params, row.reports)
        assert curve["step"].tolist() == list(range(1, row.reports + 1)), row
        assert all(abs(a - b) < 1e-6 for a, b in zip(curve["value"], expected, strict=True)), row
        assert seen[row.number].curve == dict(enumerate(expected, start=1)), row
    best = result.best
    assert best.value == min(_expected(best.params, rows[best.number].reports))
    states = Counter(row.state.value for row in rows)
    return {
        "trials": ", ".join(f"{count} {name}" for name, count in sorted(states.items())),
        "reports": str(sum(row.reports for row in rows)),
        "begun again after a fault of the gang": str(sum(row.retries for row in rows)),
        "best": f"{best.value:.6g} of trial {best.number}, as its parameters give",
    }


def _expected(params: dict[str, Any] | Any, reports: int) -> list[float]:
    values, x = [], params["x"]
    for _ in range(reports):
        x = following(x, params["rate"])
        values.append(x)
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--trials", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        search(options.search, options.trials)
        return
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), options.seed)
        soak.run(options.minutes)
        trials = soak.finish()
        found = check(soak.paths, trials)
        time.sleep(5)
        left = [f"{one.pid} {one.name()}" for one in ours()]
        assert not left, left
    rows = [*sorted((name, str(count)) for name, count in soak.faults.items())]
    rows += [("faults in all", str(sum(soak.faults.values()))), ("drivers", str(soak.num_drivers))]
    rows += [*found.items(), ("processes left", "none")]
    facts = {
        "work": f"{options.minutes:g} minutes of faults, one every {PERIOD_S[0]:g} to {PERIOD_S[1]:g} s, "
        f"seed {options.seed}; gangs of two ranks"
    }
    write_table("soak", "Soak", facts, ["", "count"], rows, is_complete=options.minutes >= MINUTES)


if __name__ == "__main__":
    main()
