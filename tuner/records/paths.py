"""Every path under `results/`, in one place.

results/<name>/
  experiment.yaml  environment.json  versions.json  study.journal  trials.csv
  decisions.jsonl  commands.jsonl  notes.jsonl  predictions.json
  trials/00000/    params.json  events.out.tfevents.*  log.txt  checkpoints/{best,000003_0000000057}/
results/.store/    prepared data, shared by the experiments of one results folder, with reports of it beside
results/.fetched/  the files at addresses from which they were prepared
results/.stages/   what the stores of a search that runs have in common
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

POSITION = "position.json"
"""In a checkpoint's folder: where in its training the trial was."""


@dataclass(frozen=True)
class TrialPaths:
    """The files of one trial; its events lie in `root` itself."""

    root: Path

    @property
    def params_json(self) -> Path:
        return self.root / "params.json"

    @property
    def log(self) -> Path:
        """What all ranks printed, and the traceback of a failure."""
        return self.root / "log.txt"

    @property
    def lock(self) -> Path:
        """Held by the gang that trains the trial."""
        return self.root / ".lock"

    @property
    def heartbeat(self) -> Path:
        """Touched by rank 0 while the trial makes progress."""
        return self.root / ".heartbeat"

    def stacks(self, rank: int) -> Path:
        """Where a rank was when it made no progress; goes into the log."""
        return self.root / f".stacks_{rank}"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def best_checkpoint(self) -> Path:
        """The weights of the best report."""
        return self.checkpoints / "best"


@dataclass(frozen=True)
class ExperimentPaths:
    """The files of one experiment."""

    root: Path

    @property
    def experiment_yaml(self) -> Path:
        return self.root / "experiment.yaml"

    @property
    def environment_json(self) -> Path:
        return self.root / "environment.json"

    @property
    def versions_json(self) -> Path:
        """Which version of each address the data were prepared from."""
        return self.root / "versions.json"

    @property
    def journal(self) -> Path:
        """The Optuna study."""
        return self.root / "study.journal"

    @property
    def decisions(self) -> Path:
        return self.root / "decisions.jsonl"

    @property
    def commands(self) -> Path:
        """What the search was asked from outside."""
        return self.root / "commands.jsonl"

    @property
    def notes(self) -> Path:
        """What people said of trials."""
        return self.root / "notes.jsonl"

    @property
    def trials_csv(self) -> Path:
        return self.root / "trials.csv"

    @property
    def predictions(self) -> Path:
        """What the best trial's model predicts on the validation split."""
        return self.root / "predictions.json"

    @property
    def stores(self) -> Path:
        """Which prepared data the trials read, as far as somebody asked."""
        return self.root / ".stores.json"

    @property
    def trials(self) -> Path:
        return self.root / "trials"

    @property
    def tune(self) -> Path:
        """Ray Tune's own working folder; gone when the search has ended."""
        return self.root / ".tune"

    @property
    def lock(self) -> Path:
        """Held by whoever writes the experiment."""
        return self.root / ".lock"

    @property
    def leave(self) -> Path:
        """Asks the run to save its trials and end."""
        return self.root / ".leave"

    @property
    def give_back(self) -> Path:
        """While it exists, gangs save their trials and return."""
        return self.root / ".give_back"

    @property
    def store_root(self) -> Path:
        # The parent of `.` is `.`, so the root must be absolute first.
        return Path(os.path.abspath(self.root)).parent / ".store"

    def trial(self, number: int) -> TrialPaths:
        return TrialPaths(self.trials / f"{number:05d}")


def list_experiments(results: Path) -> Iterator[ExperimentPaths]:
    """The experiments in a results folder, by name."""
    for file in sorted(results.glob("*/experiment.yaml")):
        yield ExperimentPaths(file.parent)
