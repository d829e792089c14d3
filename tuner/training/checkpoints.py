"""What a DeepSpeed training needs to go on as if nothing had happened, and the weights alone.

A checkpoint holds DeepSpeed's own files in `state/` (weights, optimizer shards, loss scaler, schedule) and of
each rank `rank_<r>.pt`: its random states, the buffers of its model (which DeepSpeed saves of rank 0 only,
but which differ inside an epoch) and its share of the running report.

DeepSpeed saves to and loads from `MemoryEngine`: it opens no file while training stands still, what one rank
cannot read is known on all before the first collective operation, and only tensors and a few known classes
are unpickled, where its own engine would unpickle anything.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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
from tuner.training.resharding import reshard

TAG = "state"


class MemoryEngine(CheckpointEngine):  # type: ignore[misc]
    """DeepSpeed's checkpoint files, in memory: it neither writes nor reads any itself.

    The memory is kept from one checkpoint to the next. Copying 315 MB into it takes 0.03 s; into new memory,
    and with the checksums that torch adds to ours, 0.30 s (AMD EPYC, one core).
    """

    def __init__(self) -> None:
        super().__init__()
        self._buffers: dict[str, io.BytesIO] = {}
        self._files: dict[str, memoryview] = {}
        self.instead: dict[str, Any] = {}
        """What a load gives, by path."""

    def take(self) -> dict[str, Content]:
        """What was saved since the last call, by path; to be let go of before the next checkpoint."""
        files, self._files = self._files, {}
        return dict(files)

    def create(self, info: CheckpointCommitInfo) -> None: ...

    def makedirs(self, path: str, exist_ok: bool = False) -> None: ...

    def save(self, state_dict: Any, path: str) -> None:
        self._files[path] = _serialised(state_dict, self._buffers.setdefault(path, io.BytesIO()))

    def load(self, path: str, map_location: Any = None) -> Any:
        return self.instead[path]

    def commit(self, info: CheckpointCommitInfo) -> bool:
        return True


def snapshot_engine(engine: Any) -> dict[str, Content]:
    """This rank's share of the engine's state, by path. Collective; it writes nothing."""
    engine.save_checkpoint(".", tag=TAG, save_latest=False)
    files: dict[str, Content] = engine.checkpoint_engine.take()
    return {str(Path(path)): content for path, content in files.items()}


def snapshot_rank(engine: Any, ranks: Ranks, report: Mapping[str, Any]) -> dict[str, Content]:
    """`report`: this rank's share of the running report."""
    state = {
        "random": _random_state(ranks),
        "buffers": dict(engine.module.named_buffers()),
        "report": dict(report),
    }
    return {_rank_file(ranks.rank): _serialised(state, io.BytesIO())}


@dataclass(frozen=True)
class Saved:
    """What a rank needs of a checkpoint, read into memory."""

    files: dict[str, Any]
    """DeepSpeed's, by path."""
    random: dict[str, torch.Tensor] | None
    """None: the checkpoint is of another number of ranks, whose random states belong to nobody."""
    buffers: dict[str, torch.Tensor]
    report: dict[str, Any]
    """This rank's share of the running report."""


def read_saved(engine: Any, folder: Path, num_saved: int, ranks: Ranks) -> Saved:
    """For this rank, of a checkpoint that `num_saved` ranks wrote. Not collective.

    Of another number of ranks than there are, buffers and report are the mean over those that wrote it.
    """
    model_path = _model_file(engine, folder, num_saved, ranks)
    model = _load(model_path)
    zero_path = str(engine._get_zero_ckpt_name(str(folder), TAG)) if engine.zero_optimization() else None
    if num_saved == ranks.num_ranks:
        files = {model_path: model} | ({zero_path: _load(zero_path)} if zero_path else {})
        return Saved(files, **_load(folder / _rank_file(ranks.rank)))
    files = {model_path: model | {"dp_world_size": ranks.num_ranks}}
    if zero_path:
        files[zero_path] = _own_share(engine, folder, num_saved, ranks, model["param_shapes"])
    states = [_load(folder / _rank_file(rank)) for rank in range(num_saved)]
    return Saved(files, None, *(_mean([state[part] for state in states]) for part in ("buffers", "report")))


def restore(engine: Any, folder: Path, saved: Saved, ranks: Ranks) -> None:
    """Collective."""
    files = engine.checkpoint_engine
    files.instead = saved.files
    # DeepSpeed looks for its file with a pattern, in which the folder's name would count too.
    engine._get_all_ckpt_names = lambda *_: list(saved.files)[:1]
    loaded, _ = engine.load_checkpoint(str(folder), tag=TAG)
    assert loaded is not None, folder
    files.instead = {}
    for name, buffer in engine.module.named_buffers():
        buffer.copy_(saved.buffers[name])
    if saved.random is not None:
        _restore_random_state(saved.random, ranks)


def save_weights(engine: Any, path: Path, ranks: Ranks) -> None:
    """Writes the whole model's weights on rank 0. Collective under ZeRO stage 3, where it gathers them."""
    with deepspeed.zero.GatheredParameters(
        list(engine.module.parameters()), enabled=engine.zero_optimization_stage() == 3
    ):
        if not ranks.is_first:
            return
        weights = {name: value.detach().cpu().clone() for name, value in engine.module.state_dict().items()}
    atomic_write(path, bytes(_serialised(weights, io.BytesIO())))


def _model_file(engine: Any, folder: Path, num_saved: int, ranks: Ranks) -> str:
    """One for all ranks; under ZeRO 3 one a rank, all alike, and there may be fewer of them than ranks."""
    rank = ranks.rank % num_saved
    path = str(engine._get_ckpt_name(str(folder), TAG))
    return path.replace(f"zero_pp_rank_{ranks.rank}_", f"zero_pp_rank_{rank}_")


def _own_share(engine: Any, folder: Path, num_saved: int, ranks: Ranks, shapes: Any) -> dict[str, Any]:
    saved = [
        _load(engine._get_rank_zero_ckpt_name(str(folder), TAG, 0, rank, engine.bfloat16_enabled()))
        for rank in range(num_saved)
    ]
    states = [state["optimizer_state_dict"] for state in saved]
    share = reshard(states, shapes, _sizes_of_shares(engine.optimizer), ranks.rank, ranks.num_ranks)
    return dict(saved[0]) | {"optimizer_state_dict": share}


def _sizes_of_shares(optimizer: Any) -> list[int]:
    of_stage_3 = getattr(optimizer, "fp32_partitioned_groups_flat", None)
    return [flat.numel() for flat in of_stage_3 or optimizer.single_partition_of_fp32_groups]


def _mean(states: list[dict[str, Any]]) -> dict[str, Any]:
    """Of what is a fraction; a count is the same on all ranks."""
    return {
        name: sum(state[name] for state in states) / len(states) if _is_fraction(value) else value
        for name, value in states[0].items()
    }


def _is_fraction(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, torch.Tensor) and value.is_floating_point())


def _load(path: str | Path) -> Any:
    with torch.serialization.safe_globals(_known_classes()):
        return torch.load(path, map_location="cpu", weights_only=True)


def _serialised(state: Any, buffer: io.BytesIO) -> memoryview:
    buffer.seek(0)
    with _no_checksums():
        torch.save(state, buffer)
    return buffer.getbuffer()[: buffer.tell()]


@contextmanager
def _no_checksums() -> Iterator[None]:
    """Of torch's own, which it does not look at when it loads."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)


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
