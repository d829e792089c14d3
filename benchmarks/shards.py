"""Prepared rows through a cache of shards, against the memory-mapped store; and what a block shuffle costs.

    python benchmarks/shards.py                 # a quarter of an hour; writes results/benchmarks/shards.md
    python benchmarks/shards.py --rounds 1 --seeds 1    # quickly; prints only

Rows a second: shuffled batches of 256 rows as torch tensors, in one process, one thread. The store and the
cache lie on one disk and the store is in the page cache, so what a slower file system would add to a copy is
not measured. A cold cache is empty before each epoch. Epochs, each with its own order, take turns; the best
of each kind counts.

Memory: four processes take all training rows and hold what is mapped meanwhile; `Pss` of
/proc/PID/smaps_rollup.

Accuracy: a small convolutional network in plain torch, trained on the batches of each shuffle with several
seeds, tested on other rows; with the rows of the store mixed, and sorted by class, as a folder of images has
them.
"""

import argparse
import itertools
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from _table import Part, write_page
from data import BATCH_SIZE, NUM_PROCESSES, Rate, Rows, make_rows, make_store, pss_bytes

from tuner import models, tasks
from tuner.data import Batches, ShardCache, Store, prepare
from tuner.spec.sections import AdamW, BlockShuffle, CnnSpec, DataSpec, FullShuffle, Shuffle, TrainSpec

ROUNDS, SEEDS = 5, 5
SHARD_MB = 4.0
WINDOW = 8
SHAPES: dict[str, tuple[int, tuple[int, ...], str]] = {
    "tokens, int32 [128]": (400_000, (128,), "int32"),
    "images, uint8 [3, 64, 64]": (16_000, (3, 64, 64), "uint8"),
}
"""Rows, shape of one, type: 200 MB each."""
FULL, BLOCK = FullShuffle(), BlockShuffle(block_mb=SHARD_MB, window=WINDOW)


@dataclass
class Case:
    """One way to read the rows, an epoch after the other."""

    name: str
    shuffle: Shuffle
    cache: ShardCache | None = None
    is_cold: bool = False
    rates: list[Rate] = field(default_factory=list)

    @property
    def best(self) -> Rate:
        return Rate(max(rate.wall for rate in self.rates), max(rate.cpu for rate in self.rates))


class Counting(ShardCache):
    """Counts the bytes that it copies."""

    num_copied = 0

    def shard(self, name: str, num_bytes: int, blocks: Callable[[], Any]) -> Any:
        def counted() -> Any:
            object.__setattr__(self, "num_copied", self.num_copied + num_bytes)
            return blocks()

        return super().shard(name, num_bytes, counted)


def epochs(store: Store, case: Case) -> Iterator[None]:
    """An epoch each time; notes its rate."""
    split = store.split("train", case.cache)
    batches = Batches(
        split,
        batch_size=BATCH_SIZE,
        micro_batch=BATCH_SIZE,
        rank=0,
        num_ranks=1,
        seed=0,
        shuffle=case.shuffle,
    )
    for epoch in itertools.count():
        if case.is_cold:
            assert case.cache is not None
            shutil.rmtree(case.cache.path, ignore_errors=True)
        wall, cpu, num_rows = perf_counter(), process_time(), 0
        for [(x, y)] in batches.epoch(epoch):
            num_rows += len(torch.from_numpy(x))
            torch.from_numpy(y)
        case.rates.append(Rate(num_rows / (perf_counter() - wall), num_rows / (process_time() - cpu)))
        yield


def rates_part(title: str, folder: Path, num_rounds: int) -> Part:
    rows = make_rows(*SHAPES[title])
    store = make_store(rows, folder / "store")
    all_bytes, shard_bytes = rows.x.nbytes + rows.y.nbytes, int(SHARD_MB * 1_000_000)

    def cache(name: str, limit: int) -> Counting:
        return Counting(folder / name, limit, shard_bytes)

    cases = [
        Case("memory-mapped store, full shuffle", FULL),
        Case("memory-mapped store, block shuffle", BLOCK),
        Case("cache of all, warm, full shuffle", FULL, cache("warm_full", 2 * all_bytes)),
        Case("cache of all, warm, block shuffle", BLOCK, cache("warm_block", 2 * all_bytes)),
        Case("cache of all, cold, block shuffle", BLOCK, cache("cold_block", 2 * all_bytes), is_cold=True),
        Case("cache of a quarter, block shuffle", BLOCK, cache("quarter_block", all_bytes // 4)),
        Case("cache of a quarter, full shuffle", FULL, cache("quarter_full", all_bytes // 4)),
    ]
    copied = measure(store, cases, num_rounds)
    first, cells = cases[0].best, []
    for case, num_copied in zip(cases, copied, strict=True):
        best = case.best
        cells.append(
            [
                case.name,
                f"{best.wall:,.0f}",
                f"{best.wall / first.wall:.2f}",
                f"{best.cpu / first.cpu:.2f}",
                "-" if case.cache is None else f"{num_copied / num_rounds / all_bytes:.2f}",
            ]
        )
    header = ["", "rows/s", "of the first row", "by CPU time", "copied an epoch, of all rows"]
    return Part(f"{title}: {len(rows.y):,} rows, {all_bytes / 1e6:.0f} MB", header, cells)


def measure(store: Store, cases: Sequence[Case], num_rounds: int) -> list[int]:
    """Epochs of all cases in turn, after one that does not count; the bytes that each copied."""
    running = [epochs(store, case) for case in cases]
    before: list[int] = []
    for place in range(num_rounds + 1):
        for each in running:
            next(each)
        if place == 0:
            before = [_num_copied(case) for case in cases]
            for case in cases:
                case.rates.clear()
    return [_num_copied(case) - copied for case, copied in zip(cases, before, strict=True)]


def _num_copied(case: Case) -> int:
    return case.cache.num_copied if isinstance(case.cache, Counting) else 0


# --- memory --------------------------------------------------------------------------------------------


def hold(path: str, cache: ShardCache | None, barrier: Barrier, queue: Any) -> None:
    """Takes all training rows and reports how much memory that took, while all others hold theirs."""
    before = pss_bytes()
    split = Store.open(Path(path)).split("train", cache)
    for start in range(0, len(split.targets), 1000):
        split.features.take(np.arange(start, min(start + 1000, len(split.targets))), axis=0)
    barrier.wait()
    now = pss_bytes()
    barrier.wait()
    queue.put({key: now[key] - before[key] for key in now})


def memory_part(folder: Path) -> Part:
    rows = make_rows(*SHAPES["images, uint8 [3, 64, 64]"])
    store = make_store(rows, folder / "held")
    cells = []
    cache = ShardCache(folder / "held_cache", 2 * rows.x.nbytes, int(SHARD_MB * 1_000_000))
    for name, each in (("memory-mapped store", None), ("cache of all", cache)):
        context = multiprocessing.get_context("spawn")
        barrier, queue = context.Barrier(NUM_PROCESSES), context.Queue()
        arguments = (str(store.path), each, barrier, queue)
        processes = [context.Process(target=hold, args=arguments) for _ in range(NUM_PROCESSES)]
        for process in processes:
            process.start()
        found = [queue.get(timeout=120) for _ in processes]
        for process in processes:
            process.join()
        sums = [sum(each[key] for each in found) for key in ("Pss", "Rss")]
        cells.append([name, *(f"{each / 2**20:,.0f}" for each in (rows.x.nbytes, *sums))])
    header = ["", "training rows, MiB", "sum of Pss, MiB", "sum of Rss, MiB"]
    return Part(f"Memory of {NUM_PROCESSES} processes with one store", header, cells)


# --- accuracy ------------------------------------------------------------------------------------------

TASK = "image_classification"
NUM_BLOCKS = 32


def accuracy_part(folder: Path, num_seeds: int) -> Part:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8).astype(np.float32)
    by_class = np.argsort(y, kind="stable")
    stores = {
        "mixed": digits_store(folder / "mixed", Rows(x, y)),
        "sorted by class": digits_store(folder / "sorted", Rows(x[by_class], y[by_class])),
    }
    features = stores["mixed"].split("train").features
    block_mb = features.size * 4 / NUM_BLOCKS / 1e6
    shuffles: dict[str, Shuffle] = {"full": FullShuffle()} | {
        f"{NUM_BLOCKS} blocks, window {window}": BlockShuffle(block_mb=block_mb, window=window)
        for window in (16, 8, 4, 2)
    }
    cells = []
    for name, shuffle in shuffles.items():
        cells.append([name])
        for store in stores.values():
            found = [accuracy(store, shuffle, seed) for seed in range(num_seeds)]
            error = stdev(found) / num_seeds**0.5 if num_seeds > 1 else 0.0
            cells[-1].append(f"{mean(found):.4f} +- {error:.4f}")
        print(cells[-1], file=sys.stderr, flush=True)
    header = ["shuffle", *(f"store {name}" for name in stores)]
    title = (
        f"Test accuracy of a convolutional network on digits, mean and standard error of {num_seeds} seeds"
    )
    return Part(title, header, cells)


def digits_store(folder: Path, rows: Rows) -> Store:
    folder.mkdir()
    np.savez(folder / "digits.npz", x=rows.x, y=rows.y)
    spec = DataSpec.model_validate({"source": {"type": "npz", "path": str(folder / "digits.npz")}})
    return prepare(spec, TASK, folder / "store")


def accuracy(store: Store, shuffle: Shuffle, seed: int) -> float:
    train = TrainSpec(epochs=15, batch_size=32, optimizer=AdamW(lr=3e-3), shuffle=shuffle, seed=seed)
    torch.manual_seed(seed)
    task = tasks.get(TASK, train, store.manifest)
    model = models.build(CnnSpec(channels=16), models.DataShape.of(store.manifest), task.num_outputs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batches = Batches(
        store.split("train"), batch_size=32, micro_batch=32, rank=0, num_ranks=1, seed=seed, shuffle=shuffle
    )
    for epoch in range(train.epochs):
        for [(x, y)] in batches.epoch(epoch):
            inputs, targets = task.batch(x, y, torch.device("cpu"), torch.float32)
            optimizer.zero_grad()
            task.loss(model(inputs), targets).backward()
            optimizer.step()
    model.eval()
    x, y = (np.array(part) for part in store.split("test"))
    with torch.no_grad():
        inputs, targets = task.batch(x, y, torch.device("cpu"), torch.float32)
        return task.metrics(task.statistics(model(inputs), targets))["accuracy"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A cache of shards: rows a second, memory, accuracy.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    before = os.getloadavg()[0]
    parts = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for place, title in enumerate(SHAPES):
            (folder / str(place)).mkdir()
            parts.append(rates_part(title, folder / str(place), arguments.rounds))
        parts.append(memory_part(folder))
        parts.append(accuracy_part(folder, arguments.seeds))
    facts = {
        "work": f"shuffled batches of {BATCH_SIZE} rows, as torch tensors, one thread; the best round counts",
        "shards": f"{SHARD_MB:g} MB, as the blocks of the block shuffle, {WINDOW} of them a window",
        "load average": f"{before:.1f} before, {os.getloadavg()[0]:.1f} after, this run's own included",
    }
    is_complete = arguments.rounds >= ROUNDS and arguments.seeds >= SEEDS
    write_page("shards", "Prepared rows through a cache of shards", facts, parts, is_complete=is_complete)


if __name__ == "__main__":
    main()
