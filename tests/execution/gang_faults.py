"""A `TrialRunner` in a placement group, as Tune would start it, and a function whose ranks meet a fate."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tuner.execution.placement import GangSize
from tuner.spec.sections import RecoverySpec
from tuner.training.job import TrialJob
from tuner.training.report import Objective, Report

HANG_SECONDS = 3.0
MEMORY_BYTES = 400 * 2**20
"""What a rank that runs out of memory may still take."""


def meet(config, trial):
    """Reports twice; the ranks that `fated` names meet `fate` in between, where the others wait for them."""
    import torch
    import torch.distributed

    Path(trial.folder, f"pid_{trial.rank}").write_text(str(os.getpid()))
    yield {"loss": 1.0}
    if trial.rank in config["fated"]:
        FATES[config["fate"]](trial)
    torch.distributed.all_reduce(torch.ones(1))
    yield {"loss": 0.5}


def _raise(trial):
    raise ValueError(f"rank {trial.rank} was told to")


def _exit(trial):
    raise SystemExit(3)


def _kill(trial):
    os.kill(os.getpid(), signal.SIGKILL)


def _crash(trial):
    import ctypes

    ctypes.string_at(0)


def _end_process(trial):
    os._exit(7)


def _stop(trial):
    os.kill(os.getpid(), signal.SIGSTOP)


def _sleep(trial):
    time.sleep(10**6)


def _limit_memory():
    import resource

    taken = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, resource.RLIM_INFINITY))


def _fill_torch(trial):
    import torch

    _limit_memory()
    torch.zeros(4 * MEMORY_BYTES, dtype=torch.uint8)


def _fill_python(trial):
    _limit_memory()
    bytearray(4 * MEMORY_BYTES)


def _fill_and_wrap(trial):
    try:
        _fill_python(trial)
    except MemoryError as error:
        raise ValueError("the batch could not be built") from error


FATES = {
    "fine": lambda trial: None,
    "raise": _raise,
    "exit": _exit,
    "kill": _kill,
    "crash": _crash,
    "end process": _end_process,
    "stop": _stop,
    "sleep": _sleep,
    "fill torch": _fill_torch,
    "fill python": _fill_python,
    "fill and wrap": _fill_and_wrap,
}


class Runner:
    """A trainable's actor; trains trials one after another."""

    def __init__(self, ray, actor, folder: Path, size: GangSize) -> None:
        self._ray, self.actor, self._folder, self._size = ray, actor, folder, size
        self._number = 0

    def config(self, fate: str, fated: tuple[int, ...], hang_seconds: float = HANG_SECONDS) -> dict:
        self._number += 1
        job = TrialJob(
            number=self._number,
            params={},
            objective=Objective("loss", "min"),
            folder=self.trial,
            recovery=RecoverySpec(hang_seconds=hang_seconds),
            function=meet,
            config={"fate": fate, "fated": fated},
        )
        return {"job": job, "size": self._size}

    @property
    def trial(self) -> Path:
        return self._folder / f"{self._number:05d}"

    def begin(self, fate: str, *fated: int) -> None:
        self._ray.get(self.actor.reset.remote(self.config(fate, fated)))

    def step(self) -> Report:
        return self._ray.get(self.actor.train.remote(), timeout=120)["report"]

    def train(self, fate: str, *fated: int) -> list[Report]:
        """Both reports of a trial; the second one tells of its fault."""
        self.begin(fate, *fated)
        self.reports = [self.step(), self.step()]
        return self.reports

    def kill(self) -> None:
        """The trainable's process, as the system would."""
        os.kill(self._ray.get(self.actor.train.remote())["pid"], signal.SIGKILL)

    def pids(self) -> list[int]:
        """The processes of the ranks, as they were in the newest trial."""
        files = sorted(self.trial.glob("pid_*"))
        return [int(file.read_text()) for file in files]

    def log(self) -> str:
        return (self.trial / "log.txt").read_text()


@contextmanager
def runner(folder: Path, num_ranks: int) -> Iterator[Runner]:
    """On the running cluster."""
    import ray
    from ray.util import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    from tuner.execution.trainable import TrialRunner

    size = GangSize(num_ranks, 1.0, 0.0)
    # Ray takes no empty bundle outside Tune.
    group = placement_group([{"CPU": 0.001}, *size.bundles()[1:]])
    ray.get(group.ready(), timeout=30)
    strategy = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
    made = Runner(ray, None, folder, size)
    actor_class = ray.remote(TrialRunner).options(num_cpus=0.001, scheduling_strategy=strategy)
    made.actor = actor_class.remote(config=made.config("fine", ()))
    try:
        yield made
    finally:
        ray.kill(made.actor)
        remove_placement_group(group)


def wait_until_gone(pids: list[int]) -> None:
    """Until no process of them lives any more; zombies count as gone."""
    wait_until(lambda: not any(_lives(pid) for pid in pids))


def wait_until(is_so: Callable[[], bool], limit_s: float = 30.0) -> None:
    end_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end_s, f"not within {limit_s} s"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
