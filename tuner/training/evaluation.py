"""Metrics of a model over a whole split, the same for every number of ranks."""

from collections.abc import Callable

import torch
import torch.distributed

from tuner.data import Split, shards
from tuner.tasks.base import Task
from tuner.training.ranks import Ranks
from tuner.training.watchdog import progress


@torch.no_grad()
def evaluate(
    forward: Callable[[torch.Tensor], torch.Tensor],
    task: Task,
    split: Split,
    ranks: Ranks,
    *,
    micro_batch: int,
    dtype: torch.dtype,
) -> dict[str, float]:
    """Runs `forward` (in evaluation mode) over this rank's shard and adds the statistics of all ranks.

    Every rank runs equally many forward passes, the last may be empty: under ZeRO stage 3 a forward pass is a
    collective operation.
    """
    total = torch.zeros(1, dtype=torch.float64, device=ranks.device)
    for features, targets in shards(
        split, micro_batch=micro_batch, rank=ranks.rank, num_ranks=ranks.num_ranks
    ):
        x, y = task.batch(features, targets, ranks.device, dtype)
        total = total + task.statistics(forward(x), y)
        progress()
    if ranks.num_ranks > 1:
        torch.distributed.all_reduce(total)
    return task.metrics(total)


def average_buffers(module: torch.nn.Module, ranks: Ranks) -> None:
    """Makes running statistics (batch normalisation) equal on all ranks; DeepSpeed leaves them apart."""
    if ranks.num_ranks == 1:
        return
    for buffer in module.buffers():
        if buffer.is_floating_point():
            torch.distributed.all_reduce(buffer)
            buffer.div_(ranks.num_ranks)
