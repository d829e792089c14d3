"""Prepared rows through a cache of shards, against the memory-mapped store; and what a block shuffle costs.

    python benchmarks/shards.py                 # a quarter of an hour; writes results/benchmarks/shards.md
    python benchmarks/shards.py --rounds 1 --seeds 1    # quickly; prints only

Rows a second: shuffled batches of 256 rows as torch tensors, in one process, one thread. The store and the
cache lie on one disk and the store is in the page cache, so what a slower file system would add to a copy is
not measured. A cold cache is empty before each epoch. Epochs, each with its own order, take turns; the best
of each kind counts.

Waiting: what of an epoch goes by until shards are copied, with room for half of them, from a store that is as
fast as this disk or gives so many MB a second, to a training whose steps take a fixed time.

Memory: four processes take all training rows and hold what is mapped meanwhile; `Pss` of
/proc/PID/smaps_rollup.

Accuracy: a small convolutional network in plain torch, trained on the batches of each shuffle with several
seeds, tested on other rows; with the rows of the store mixed, and sorted by class, as a folder of images has
them.
"""

import argparse
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np
import torch
from _batches import whole_batches
from _memory import memory_part
from _table import Part, write_page
from data import BATCH_SIZE, Rate, Rows, make_rows, make_store

from tuner import models, tasks
from tuner.data import ShardCache, Split, Store, prepare
from tuner.data.read_ahead import ReadAhead
from tuner.spec.sections import AdamW, BlockShuffle, CnnSpec, DataSpec, FullShuffle, Shuffle, TrainSpec

ROUNDS, SEEDS = 5, 5
SHARD_MB = 4.0
WINDOW = 8
SHAPES: dict[str, tuple[int, tuple[int, ...], str]] = {
    "tokens, int32 [128]": (400_000, (128,), "int32"),
    "images, uint8 [3, 64, 64]": (16_000, (3, 64, 64), "uint8"),
}
"""Rows, shape of one, type: 200 MB each."""
SOURCES = {"on this disk": float("inf"), "at 100 MB/s": 100.0, "at 50 MB/s": 50.0}
TRAINED_MB_PER_S = 40
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


@dataclass(frozen=True)
class Counting(ShardCache):
    """Counts the bytes that it copies, from a store that gives so many a second."""

    copied: list[int] = field(default_factory=list)
    bytes_per_s: float = float("inf")

    def shard(self, name: str, num_bytes: int, blocks: Callable[[], Iterable[bytes]]) -> Any:
        def counted() -> Iterator[bytes]:
            self.copied.append(num_bytes)
            for block in blocks():
                sleep(len(block) / self.bytes_per_s)
                yield block

        return super().shard(name, num_bytes, counted)


class OnDemand(ReadAhead):
    """Shards are copied when a row of them is needed."""

    def go_on(self, now: Sequence[range], after: Sequence[range]) -> None:
        super().go_on([], [])


def epochs(store: Store, case: Case) -> Iterator[None]:
    """An epoch each time; notes its rate."""
    split = store.split("train", case.cache)
    batches = whole_batches(split, BATCH_SIZE, shuffle=case.shuffle)
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
    return sum(case.cache.copied) if isinstance(case.cache, Counting) else 0


# --- waiting -------------------------------------------------------------------------------------------


def waiting_part(folder: Path) -> Part:
    """An epoch whose shards are copied, with and without reading them ahead."""
    rows = make_rows(*SHAPES["images, uint8 [3, 64, 64]"])
    store = make_store(rows, folder / "waited_for")
    cells = []
    for source, mb_per_s in SOURCES.items():
        for name, kind in {"when needed": OnDemand, "ahead": ReadAhead}.items():
            path = folder / f"waiting {len(cells)}"
            cache = Counting(path, rows.x.nbytes // 2, int(SHARD_MB * 1e6), bytes_per_s=mb_per_s * 1e6)
            steps_s, epoch_s = seconds_of(store, cache, kind)
            share = f"{100 * (1 - steps_s / epoch_s):.0f}%"
            cells.append([f"{source}, read {name}", f"{steps_s:.1f}", f"{epoch_s:.1f}", share])
            print(cells[-1], file=sys.stderr, flush=True)
    header = ["store", "s of steps", "s of the epoch", "of that waiting"]
    return Part(f"Waiting for shards, by a training of {TRAINED_MB_PER_S} MB of rows a second", header, cells)


def seconds_of(store: Store, cache: ShardCache, kind: type[ReadAhead]) -> tuple[float, float]:
    """Of all steps, which leave the CPU alone, and of the epoch."""
    split = store.split("train", cache)
    batches = whole_batches(split, BATCH_SIZE, shuffle=BLOCK)
    batches._ahead = kind(split.sharded)
    row_bytes = split.stored_features[:1].nbytes
    steps_s, began = 0.0, perf_counter()
    for [(x, _)] in batches.epoch(0):
        begins = perf_counter()
        sleep(len(x) * row_bytes / (TRAINED_MB_PER_S * 1e6))
        steps_s += perf_counter() - begins
    return steps_s, perf_counter() - began


# --- memory --------------------------------------------------------------------------------------------


def take_rows(path: Path, cache: ShardCache | None) -> Split:
    """The training split, of which every row was read."""
    split = Store.open(path).split("train", cache)
    for start in range(0, len(split.targets), 1000):
        split.features.take(np.arange(start, min(start + 1000, len(split.targets))), axis=0)
    return split


def held_part(folder: Path) -> Part:
    rows = make_rows(*SHAPES["images, uint8 [3, 64, 64]"])
    store = make_store(rows, folder / "held")
    cache = ShardCache(folder / "held_cache", 2 * rows.x.nbytes, int(SHARD_MB * 1_000_000))
    cases = {"memory-mapped store": None, "cache of all": cache}
    return memory_part(
        rows.x.nbytes, {name: partial(take_rows, store.path, each) for name, each in cases.items()}
    )


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
    batches = whole_batches(store.split("train"), 32, seed=seed, shuffle=shuffle)
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
        parts.append(waiting_part(folder))
        parts.append(held_part(folder))
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
