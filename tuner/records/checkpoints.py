"""STUB until merged."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.records.paths import TrialPaths


@dataclass(frozen=True)
class Checkpoint:
    folder: Path
    num_reports: int
    num_steps: int
    position: dict[str, Any]


def newest_sound(trial: TrialPaths) -> Checkpoint | None:
    f = trial.last_checkpoint
    if not (f / "position.json").is_file():
        return None
    p = json.loads((f / "position.json").read_text())
    return Checkpoint(f, p["num_reports"], 0, p)


def take_over(donor: TrialPaths, receiver: TrialPaths, best: float | None) -> None:
    from tuner.execution.copying import take_over_checkpoint

    take_over_checkpoint(donor, receiver, best)


def drop_checkpoints(trial: TrialPaths) -> None:
    shutil.rmtree(trial.last_checkpoint, ignore_errors=True)
