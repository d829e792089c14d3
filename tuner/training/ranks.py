"""The place of one process in its gang, and the process group that joins the ranks.

A process joins its group once and keeps it between trials: a group costs about 0.1 s to form, the
import of torch four seconds, that of DeepSpeed five more, which a function of one's own does without.
"""

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import torch
import torch.distributed

from tuner.errors import TunerError

COLLECTIVE_TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Where this process stands among the ranks of its gang."""

    rank: int = 0
    """Index in the gang, from 0."""
    num_ranks: int = 1
    """Size of the gang."""
    local_rank: int = 0
    """Index among the ranks of this node; also the index of its GPU."""
    device_type: str = "cpu"
    """`cpu` or `cuda`."""

    @classmethod
    def from_environment(cls, device_type: str) -> "Ranks":
        """Reads what `torchrun` sets: RANK, WORLD_SIZE, LOCAL_RANK."""
        return cls(
            rank=int(os.environ.get("RANK", 0)),
            num_ranks=int(os.environ.get("WORLD_SIZE", 1)),
            local_rank=int(os.environ.get("LOCAL_RANK", 0)),
            device_type=device_type,
        )

    @property
    def device(self) -> torch.device:
        if self.device_type == "cuda":
            return torch.device("cuda", self.local_rank)
        return torch.device("cpu")

    @property
    def is_first(self) -> bool:
        return self.rank == 0


def join(ranks: Ranks, *, threads: int, init_method: str | None = None, gpu_share: float = 1.0) -> None:
    """Joins the process group of the gang: NCCL on GPUs, gloo on CPUs.

    Args:
        threads: torch threads of this process, one a core.
        init_method: a `tcp://host:port` or `file://` rendezvous; None reads MASTER_ADDR and MASTER_PORT.
        gpu_share: of the GPU's memory, that torch may take; beyond it this process runs out of memory, not
            one that shares the GPU.
    """
    os.environ["LOCAL_RANK"] = str(ranks.local_rank)
    # DeepSpeed looks for an accelerator when it is imported; without this it warns on every CPU machine.
    os.environ["DS_ACCELERATOR"] = ranks.device_type
    torch.set_num_threads(threads)
    if ranks.device_type == "cuda":
        torch.cuda.set_device(ranks.local_rank)
        torch.cuda.set_per_process_memory_fraction(gpu_share)
        _repeat_exactly()
    torch.distributed.init_process_group(
        "nccl" if ranks.device_type == "cuda" else "gloo",
        init_method=init_method,
        rank=ranks.rank,
        world_size=ranks.num_ranks,
        timeout=COLLECTIVE_TIMEOUT,
    )


def _repeat_exactly() -> None:
    """Has CUDA add up in the same order every time, so that a resumed trial goes on to the last bit.

    What has no such kernel warns in the trial's log. To be called before the first CUDA operation.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # That would also write over all new memory, against reading it before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def is_anywhere(mine: bool, ranks: Ranks) -> bool:
    """Whether it is so on any rank. Collective."""
    if ranks.num_ranks == 1:
        return mine
    flag = torch.tensor(float(mine), device=ranks.device)
    torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
    return bool(flag.item())


@contextmanager
def end_alike(ranks: Ranks) -> Iterator[None]:
    """What raises on one rank raises on all, at the end of the block. The block has no collective operation.

    Raises:
        TunerError: on ranks whose block did not raise.
    """
    error: Exception | None = None
    try:
        yield
    except Exception as found:  # Whatever it is, it is raised when the others know.
        error = found
    if is_anywhere(error is not None, ranks):
        raise error or TunerError(
            f"all ranks must go on together, but one of {ranks.num_ranks} met an error."
        )


def leave() -> None:
    torch.distributed.destroy_process_group()


@cache
def hand_to_deepspeed() -> None:
    """Lets DeepSpeed use the process group. It takes five seconds to import, once in a process."""
    import deepspeed

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    # DeepSpeed compiles a shared-memory kernel when it meets gloo (49 s on two cores) that only its
    # inference path uses.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(verbose=False, auto_mpi_discovery=False)
    # The objects that the imports made need no look at each collection between trials.
    gc.freeze()
