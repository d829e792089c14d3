"""What a DeepSpeed training needs to go on as if nothing had happened, and the weights alone.

A checkpoint holds DeepSpeed's own files in `state/` (weights, optimizer shards, loss scaler, schedule) and of
each rank `rank_<r>.pt`: its random states, the buffers of its model (which DeepSpeed saves of rank 0 only,
but which differ inside an epoch) and its share of the running report.

DeepSpeed serialises through `MemoryEngine`, so that it neither opens a file when it saves nor unpickles
anything but tensors and a few known classes when it loads; its own engine would do both.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import deepspeed
import torch
import torch.distributed
from deepspeed.runtime.checkpoint_engine.checkpoint_engine import (
    CheckpointCommitInfo,
    CheckpointEngine,
)

from tuner.records.checkpoints import Content
from tuner.records.files import atomic_write
from tuner.training.ranks import Ranks

TAG = "state"


class MemoryEngine(CheckpointEngine):  # type: ignore[misc]
    """DeepSpeed's checkpoint files, held in memory until someone takes them."""

    def __init__(self) -> None:
        super().__init__()
        self._files: dict[str, memoryview] = {}

    def take(self) -> dict[str, Content]:
        """What was saved since the last call, by path."""
        files, self._files = self._files, {}
        return dict(files)

    def create(self, info: CheckpointCommitInfo) -> None: ...

    def makedirs(self, path: str, exist_ok: bool = False) -> None: ...

    def save(self, state_dict: Any, path: str) -> None:
        self._files[path] = _serialised(state_dict)

    def load(self, path: str, map_location: Any = None) -> Any:
        with torch.serialization.safe_globals(_known_classes()):
            return torch.load(path, map_location=map_location, weights_only=True)

    def commit(self, info: CheckpointCommitInfo) -> bool:
        return True


def snapshot_engine(engine: Any) -> dict[str, Content]:
    """This rank's share of the engine's state, by path. Collective; it writes nothing."""
    engine.save_checkpoint(".", tag=TAG, save_latest=False)
    files: dict[str, Content] = engine.checkpoint_engine.take()
    return {str(Path(path)): content for path, content in files.items()}


def restore_engine(engine: Any, folder: Path) -> None:
    """Collective."""
    loaded, _ = engine.load_checkpoint(str(folder), tag=TAG)
    assert loaded is not None, folder


def snapshot_rank(engine: Any, ranks: Ranks, report: Mapping[str, Any]) -> dict[str, Content]:
    """`report`: this rank's share of the running report."""
    state = {
        "random": _random_state(ranks),
        "buffers": dict(engine.module.named_buffers()),
        "report": dict(report),
    }
    return {_rank_file(ranks.rank): _serialised(state)}


def restore_rank(engine: Any, ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Random states and buffers; returns this rank's share of the running report."""
    state = torch.load(folder / _rank_file(ranks.rank), weights_only=True)
    for name, buffer in engine.module.named_buffers():
        buffer.copy_(state["buffers"][name])
    _restore_random_state(state["random"], ranks)
    report: dict[str, Any] = state["report"]
    return report


def save_weights(engine: Any, path: Path, ranks: Ranks) -> None:
    """Writes the whole model's weights on rank 0. Collective under ZeRO stage 3, where it gathers them."""
    with deepspeed.zero.GatheredParameters(
        list(engine.module.parameters()), enabled=engine.zero_optimization_stage() == 3
    ):
        if not ranks.is_first:
            return
        weights = {name: value.detach().cpu().clone() for name, value in engine.module.state_dict().items()}
    atomic_write(path, bytes(_serialised(weights)))


def _serialised(state: Any) -> memoryview:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getbuffer()


def _known_classes() -> list[Any]:
    """What DeepSpeed's files hold besides tensors and plain data."""
    from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    return [DynamicLossScaler, LossScaler, ZeroStageEnum, fragment_address]


def _rank_file(rank: int) -> str:
    return f"rank_{rank}.pt"


def _random_state(ranks: Ranks) -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if ranks.device_type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(ranks.device)
    return state


def _restore_random_state(state: Mapping[str, torch.Tensor], ranks: Ranks) -> None:
    torch.set_rng_state(state["cpu"])
    if ranks.device_type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], ranks.device)
