"""What a gang needs, how many gangs a cluster holds, and where each rank stands. Pure functions.

The ranks of one node all see the GPUs of that node's ranks and take their own by `local_rank`: NCCL can
then use peer-to-peer copies, which it cannot between processes that see one GPU each.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import ResourceError
from tuner.spec.sections import ResourcesSpec


@dataclass(frozen=True)
class NodeSize:
    """CPUs and GPUs of one node."""

    cpus: float
    gpus: float


@dataclass(frozen=True)
class GangSize:
    """What one gang holds: ranks, and CPUs and GPUs for each."""

    workers: int
    cpus_per_worker: float
    gpus_per_worker: float

    @property
    def gpus(self) -> float:
        return self.workers * self.gpus_per_worker

    @property
    def device_type(self) -> str:
        return "cuda" if self.gpus_per_worker > 0 else "cpu"

    @property
    def threads(self) -> int:
        """torch threads of a rank: one a core."""
        return max(1, int(self.cpus_per_worker))

    def bundles(self) -> list[dict[str, float]]:
        """Of its placement group: nothing for the trainable, which only waits, and one for each rank."""
        wanted = {"CPU": self.cpus_per_worker, "GPU": self.gpus_per_worker}
        rank = {name: amount for name, amount in wanted.items() if amount > 0}
        return [{}, *[rank] * self.workers]


@dataclass(frozen=True)
class Place:
    """Where a rank's process runs."""

    node: str
    address: str
    gpus: tuple[str, ...]
    """Indices of the GPUs that the process was given, as in CUDA_VISIBLE_DEVICES."""
    pid: int


@dataclass(frozen=True)
class Seat:
    """A rank's place in its gang, derived from all places."""

    index: int
    """Which of the given places this is."""
    rank: int
    local_rank: int
    visible_gpus: str
    """CUDA_VISIBLE_DEVICES of the process."""


def local_node() -> NodeSize:
    """This machine, as a cluster of one node."""
    return NodeSize(cpus=float(len(os.sched_getaffinity(0))), gpus=float(_num_local_gpus()))


def size_gang(resources: ResourcesSpec, nodes: Sequence[NodeSize]) -> GangSize:
    """The gang that an experiment asks for; `gpus_per_worker: auto` takes one each where there are any.

    Raises:
        ResourceError: the cluster will never hold one gang.
    """
    gpus = resources.gpus_per_worker
    if gpus == "auto":
        gpus = 1.0 if sum(node.gpus for node in nodes) >= resources.workers else 0.0
    gang = GangSize(resources.workers, resources.cpus_per_worker, gpus)
    if num_gangs(gang, nodes) == 0:
        raise ResourceError(_too_large(gang, nodes))
    return gang


def num_gangs(gang: GangSize, nodes: Sequence[NodeSize]) -> int:
    """How many gangs the nodes hold at once; a gang may span nodes, a rank may not."""
    return sum(_num_ranks_on(node, gang) for node in nodes) // gang.workers


def seats(places: Sequence[Place]) -> list[Seat]:
    """Ranks by node, nodes in the order in which they first appear; rank 0 is on the first place's node."""
    nodes = list(dict.fromkeys(place.node for place in places))
    result: list[Seat] = []
    for node in nodes:
        indices = [index for index, place in enumerate(places) if place.node == node]
        visible = list(dict.fromkeys(gpu for index in indices for gpu in places[index].gpus))
        for position, index in enumerate(indices):
            gpus = places[index].gpus
            local_rank = visible.index(gpus[0]) if gpus else position
            result.append(Seat(index, len(result), local_rank, ",".join(visible)))
    return result


def _num_ranks_on(node: NodeSize, gang: GangSize) -> int:
    by_cpus = node.cpus / gang.cpus_per_worker
    by_gpus = node.gpus / gang.gpus_per_worker if gang.gpus_per_worker else by_cpus
    return int(min(by_cpus, by_gpus) + 1e-9)


def _too_large(gang: GangSize, nodes: Sequence[NodeSize]) -> str:
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    return (
        f"a trial must fit into the cluster, but resources asks for {gang.workers} workers of "
        f"{gang.cpus_per_worker:g} CPUs and {gang.gpus_per_worker:g} GPUs each and the cluster has "
        f"{cpus:g} CPUs and {gpus:g} GPUs on {len(nodes)} node(s); lower resources.workers, "
        f"resources.cpus_per_worker or resources.gpus_per_worker, or join a larger cluster with --address."
    )


def _num_local_gpus() -> int:
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return len([gpu for gpu in chosen.split(",") if gpu.strip() not in {"", "-1"}])
    listed = Path("/proc/driver/nvidia/gpus")
    return len(list(listed.iterdir())) if listed.is_dir() else 0
