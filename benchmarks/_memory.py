"""How much memory this process takes, and several that hold the same rows at the same time."""

import multiprocessing
from collections.abc import Callable, Mapping
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from _table import Part

NUM_PROCESSES = 4
MIB = 2**20


def peak_bytes() -> int:
    """Of this process; what `getrusage` says is at least what its parent held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def memory_part(num_bytes: int, cases: Mapping[str, Callable[[], Any]]) -> Part:
    """What several processes take that each hold what a case gives them, of rows of so many bytes."""
    cells = []
    for name, take in cases.items():
        context = multiprocessing.get_context("spawn")
        barrier, queue = context.Barrier(NUM_PROCESSES), context.Queue()
        processes = [context.Process(target=_hold, args=(take, barrier, queue)) for _ in range(NUM_PROCESSES)]
        for process in processes:
            process.start()
        found = [queue.get(timeout=120) for _ in processes]
        for process in processes:
            process.join()
        sums = [sum(each[key] for each in found) for key in ("Pss", "Rss")]
        cells.append([name, *(f"{each / MIB:,.0f}" for each in (num_bytes, *sums))])
    header = ["", "training rows, MiB", "sum of Pss, MiB", "sum of Rss, MiB"]
    return Part(f"Memory of {NUM_PROCESSES} processes with one store", header, cells)


def _hold(take: Callable[[], Any], barrier: Barrier, queue: Any) -> None:
    """Reports how much memory it took to take something, while all others hold theirs."""
    before = _mapped_bytes()
    held = take()
    barrier.wait()
    now = _mapped_bytes()
    barrier.wait()
    del held
    queue.put({key: now[key] - before[key] for key in now})


def _mapped_bytes() -> dict[str, int]:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    fields = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return {"Rss": fields["Rss"], "Pss": fields["Pss"]}
