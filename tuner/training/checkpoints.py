"""Everything a trial needs to go on as if nothing had happened, and the weights alone.

A checkpoint is a folder: DeepSpeed's own files (weights, optimizer shards, loss scaler, schedule), one file
of random states a rank, and `position.json`. It is written beside its place and renamed when complete.
"""

import io
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import deepspeed
import torch
import torch.distributed

from tuner.records.files import atomic_write
from tuner.records.paths import POSITION
from tuner.training.ranks import Ranks

TAG = "state"


def save_checkpoint(engine: Any, folder: Path, position: Mapping[str, Any], ranks: Ranks) -> None:
    """Collective: every rank calls it. A crash leaves the checkpoint that was there before."""
    beside = folder.with_name(folder.name + ".new")
    if ranks.is_first:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
    torch.distributed.barrier()
    engine.save_checkpoint(str(beside), tag=TAG, save_latest=False)
    torch.save(_random_state(ranks), beside / f"random_{ranks.rank}.pt")
    if ranks.is_first:
        (beside / POSITION).write_text(json.dumps(dict(position)))
    torch.distributed.barrier()
    if ranks.is_first:
        _replace_folder(beside, folder)
    torch.distributed.barrier()


def load_checkpoint(engine: Any, folder: Path, ranks: Ranks) -> dict[str, Any]:
    """Restores engine and random states on every rank; returns the position that was saved."""
    loaded, _ = engine.load_checkpoint(str(folder), tag=TAG)
    assert loaded is not None, folder
    _restore_random_state(torch.load(folder / f"random_{ranks.rank}.pt", weights_only=True), ranks)
    position: dict[str, Any] = json.loads((folder / POSITION).read_text())
    return position


def save_weights(engine: Any, path: Path, ranks: Ranks) -> None:
    """Writes the whole model's weights on rank 0. Collective under ZeRO stage 3, where it gathers them."""
    with deepspeed.zero.GatheredParameters(
        list(engine.module.parameters()), enabled=engine.zero_optimization_stage() == 3
    ):
        if not ranks.is_first:
            return
        weights = {name: value.detach().cpu().clone() for name, value in engine.module.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    atomic_write(path, buffer.getvalue())


def _replace_folder(new: Path, folder: Path) -> None:
    for path in new.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _random_state(ranks: Ranks) -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if ranks.device_type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(ranks.device)
    return state


def _restore_random_state(state: Mapping[str, torch.Tensor], ranks: Ranks) -> None:
    torch.set_rng_state(state["cpu"])
    if ranks.device_type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], ranks.device)
