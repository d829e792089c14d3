"""A checkpoint of another number of ranks: this rank's share of DeepSpeed's state, made of all old shares.

DeepSpeed itself loads ZeRO state with the number of ranks that wrote it, or converts it by way of one file
for each parameter and state, of Adam's states only; see `docs/decisions/other-number-of-ranks.md`.

ZeRO 1 and 2 lay all weights of a group one after the other, pad the end, and cut the whole into equal shares.
ZeRO 3 pads and cuts each weight by itself, and a rank's share is its pieces one after the other. The states
of the optimizer lie as the weights do. Without ZeRO every rank has everything.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch

from tuner.errors import TunerError

State = dict[str, Any]
Join = Callable[[Sequence[torch.Tensor]], torch.Tensor]
"""From the shares of all old ranks to this rank's new one."""


def reshard(
    old: Sequence[State], shapes: Sequence[Mapping[str, Any]], sizes: Sequence[int], rank: int, num_ranks: int
) -> State:
    """This rank's ZeRO state.

    Args:
        old: the state of each old rank, as DeepSpeed saved it.
        shapes: of each group, the shapes of its weights by name.
        sizes: of each group, the elements of a new rank's share.
        rank: the new rank, of `num_ranks` new ones.
    """
    is_cut_whole = "single_partition_of_fp32_groups" in old[0]
    weights, base = (
        ("single_partition_of_fp32_groups", "base_optimizer_state")
        if is_cut_whole
        else ("fp32_flat_groups", "optimizer_state_dict")
    )
    num_groups = len(old[0][weights])
    if not len(shapes) == len(sizes) == num_groups:
        raise TunerError(
            f"a checkpoint of other ranks needs the same groups of weights, but it has {num_groups} and the "
            f"training {len(sizes)}; go on with {len(old)} ranks, which wrote it."
        )
    numels = [[prod(shape) for shape in group.values()] for group in shapes]
    joins: list[Join] = [
        _whole(sum(group), size, rank) if is_cut_whole else _pieces(group, rank, num_ranks, len(old))
        for group, size in zip(numels, sizes, strict=True)
    ]
    new = [join([state[weights][index] for state in old]) for index, join in enumerate(joins)]
    return old[0] | {weights: new, base: _optimizer([state[base] for state in old], joins)}


def _optimizer(old: Sequence[State], joins: Sequence[Join]) -> State:
    """torch's state of one flat weight a group; what is no share (a step, None) is the same on all ranks."""
    new = {}
    for index, join in enumerate(joins):
        states = [state["state"].get(index, {}) for state in old]
        new[index] = {
            key: join([state[key] for state in states]) if _is_share(value) else value
            for key, value in states[0].items()
        }
    return old[0] | {"state": {index: state for index, state in new.items() if state}}


def _is_share(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim == 1


def _whole(numel: int, size: int, rank: int) -> Join:
    def join(shares: Sequence[torch.Tensor]) -> torch.Tensor:
        return _padded(torch.cat(list(shares))[:numel], rank * size, size)

    return join


def _pieces(numels: Sequence[int], rank: int, num_new: int, num_old: int) -> Join:
    def join(shares: Sequence[torch.Tensor]) -> torch.Tensor:
        lengths = [-(-numel // num_old) for numel in numels]
        pieces = zip(*(torch.split(share, lengths) for share in shares), strict=True)
        new = []
        for numel, piece in zip(numels, pieces, strict=True):
            length = -(-numel // num_new)
            new.append(_padded(torch.cat(piece)[:numel], rank * length, length))
        return torch.cat(new)

    return join


def _padded(flat: torch.Tensor, start: int, size: int) -> torch.Tensor:
    """`size` elements from `start` on, with zeros past the end."""
    share = flat.new_zeros(size)
    found = flat[start : start + size]
    share[: len(found)] = found
    return share
