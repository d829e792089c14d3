"""How fast prepared data reaches training, how much memory it takes, and what preparing it again costs.

    python benchmarks/data.py [--rounds 5]     # writes results/benchmarks/data.md

Rows a second: an epoch in shuffled batches of 256, features and targets as torch tensors, by each loader
in turn, round by round, so that a slow moment of the machine hits all alike; the median round counts. Ours
is what trials train on: `Batches` over the memory-mapped store, its order included. In memory: the same
arrays in RAM, gathered with numpy (`take`) and as tensors (`index_select`, and in brackets), by a
permutation that is drawn anew in each epoch too. Hugging Face datasets: an Arrow table in a file,
memory-mapped, `with_format("torch")` and a DataLoader that fetches whole batches, without workers and
with two. Ray Data: an Arrow table, materialized, `iter_torch_batches` in order (no shuffle) and with a
local shuffle buffer of 2,000 rows.

Where all work is done in this process its CPU time counts, which hardly depends on what else runs; the
loaders with processes of their own are compared by the clock.

Memory: four processes open one store and read all of its training rows; `Pss` of /proc/PID/smaps_rollup,
while all of them hold it. Order: the resident memory that an epoch's order adds at its peak, in a process
of its own. Preparing: `prepare` of a CSV file, and the same again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from _batches import whole_batches
from _memory import memory_part, peak_bytes
from _table import Part, write_page

from tuner.data import Manifest, Split, Store, order, prepare
from tuner.spec.sections import DataSpec

BATCH_SIZE = 256
ROUNDS = 5
NUM_ORDERED = 100_000_000
SHUFFLE_ROWS = 2_000
CSV_ROWS, CSV_COLUMNS = 50_000, 20
SEED = 0
ORDERS = {
    "numpy": "numpy's permutation, 64 bits (up to version 0.1.0)",
    "listed": "tuner, listed, 32 bits (up to 134 million rows)",
    "computed": "tuner, computed (beyond)",
}
SHAPES: dict[str, tuple[int, tuple[int, ...], str]] = {
    "tokens, int32 [128]": (40_000, (128,), "int32"),
    "images, float32 [1, 28, 28]": (20_000, (1, 28, 28), "float32"),
}
"""Rows, shape of one, type."""

Epoch = Callable[[], Iterator[tuple[torch.Tensor, torch.Tensor]]]
"""All batches of one epoch."""


@dataclass(frozen=True)
class Rows:
    x: np.ndarray
    y: np.ndarray


def make_rows(num_rows: int, shape: tuple[int, ...], kind: str) -> Rows:
    draw = np.random.default_rng(SEED)
    x = draw.integers(1, 32_000, (num_rows, *shape)).astype(kind)
    return Rows(x, draw.integers(0, 10, num_rows))


def make_store(rows: Rows, path: Path) -> Store:
    """A store as `prepare` leaves it, of rows that no source has."""
    path.mkdir()
    size = {"train": len(rows.y), "val": 0, "test": 0}
    np.save(path / "train_features.npy", rows.x)
    np.save(path / "train_targets.npy", rows.y)
    manifest = Manifest(
        sha256=path.name,
        task="image_classification",
        source={},
        input_shape=rows.x.shape[1:],
        feature_names=None,
        class_names=tuple("0123456789"),
        sizes=size,
        mean=None,
        std=None,
        target_mean=None,
        target_std=None,
    )
    (path / "manifest.json").write_text(manifest.to_json())
    return Store.open(path)


# --- loaders -------------------------------------------------------------------------------------------


def of_tuner(store: Store) -> Epoch:
    batches = whole_batches(store.split("train"), BATCH_SIZE, seed=SEED)

    def epoch() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for [(x, y)] in batches.epoch(0):
            yield torch.from_numpy(x), torch.from_numpy(y)

    return epoch


def in_memory(rows: Rows) -> dict[str, Epoch]:
    x, y = torch.from_numpy(rows.x), torch.from_numpy(rows.y)
    draw = np.random.Generator(np.random.Philox(SEED))

    def by_numpy() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        places = draw.permutation(len(y))
        for start in range(0, len(places), BATCH_SIZE):
            part = places[start : start + BATCH_SIZE]
            yield torch.from_numpy(rows.x.take(part, axis=0)), torch.from_numpy(rows.y.take(part))

    def by_select() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for part in torch.randperm(len(y)).split(BATCH_SIZE):
            yield x.index_select(0, part), y.index_select(0, part)

    def by_brackets() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for part in torch.randperm(len(y)).split(BATCH_SIZE):
            yield x[part], y[part]

    return {
        "in memory, numpy take": by_numpy,
        "in memory, torch index_select": by_select,
        "in memory, torch x[rows]": by_brackets,
    }


def arrow_table(rows: Rows) -> Any:
    import pyarrow

    flat = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.x.ravel()), rows.x[0].size)
    return pyarrow.table({"x": flat, "y": rows.y})


def of_datasets(rows: Rows, folder: Path) -> dict[str, Epoch]:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset(arrow_table(rows)).save_to_disk(str(folder))
    stored = datasets.load_from_disk(str(folder)).with_format("torch")
    shape = rows.x.shape[1:]

    def epoch(num_workers: int) -> Epoch:
        def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            generator = torch.Generator().manual_seed(SEED)
            loader = torch.utils.data.DataLoader(
                stored, batch_size=BATCH_SIZE, shuffle=True, num_workers=num_workers, generator=generator
            )
            for batch in loader:
                yield batch["x"].reshape(-1, *shape), batch["y"]

        return batches

    return {f"Hugging Face datasets, DataLoader, {number} workers": epoch(number) for number in (0, 2)}


def of_ray(rows: Rows) -> dict[str, Epoch]:
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False
    held = ray.data.from_arrow(arrow_table(rows)).materialize()
    shape = rows.x.shape[1:]

    def epoch(buffer: int | None) -> Epoch:
        def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            found = held.iter_torch_batches(
                batch_size=BATCH_SIZE, local_shuffle_buffer_size=buffer, local_shuffle_seed=SEED
            )
            for batch in found:
                yield batch["x"].reshape(-1, *shape), batch["y"]

        return batches

    return {
        "Ray Data, materialized, in order": epoch(None),
        f"Ray Data, shuffle buffer {SHUFFLE_ROWS:,}": epoch(SHUFFLE_ROWS),
    }


@dataclass(frozen=True)
class Rate:
    """Rows a second, each of the median round."""

    wall: float
    cpu: float
    """of this process"""


def rates_of(loaders: Mapping[str, Epoch], num_rounds: int) -> dict[str, Rate]:
    rounds: dict[str, list[Rate]] = {name: [] for name in loaders}
    for _ in range(num_rounds):
        for name, epoch in loaders.items():
            wall, cpu = perf_counter(), process_time()
            num_rows = sum(len(y) for _, y in epoch())
            rounds[name].append(Rate(num_rows / (perf_counter() - wall), num_rows / (process_time() - cpu)))
    return {
        name: Rate(median(rate.wall for rate in rates), median(rate.cpu for rate in rates))
        for name, rates in rounds.items()
    }


def rates_part(title: str, folder: Path, num_rounds: int) -> Part:
    rows = make_rows(*SHAPES[title])
    store = make_store(rows, folder / "store")
    ours = "tuner, memory-mapped store"
    fast = rates_of({ours: of_tuner(store), **in_memory(rows)}, 10 * num_rounds)
    slow = rates_of({**of_datasets(rows, folder / "datasets"), **of_ray(rows)}, num_rounds)
    return Part(title, HEADER, [cells_of(name, rate, fast[ours]) for name, rate in {**fast, **slow}.items()])


HEADER = ["loader", "rows/s", "rows/s of CPU time", "tuner is faster by"]


def cells_of(name: str, rate: Rate, ours: Rate) -> list[str]:
    """By the clock alone for loaders with processes of their own."""
    is_alone = "Ray" not in name and "2 workers" not in name
    ratio = ours.cpu / rate.cpu if is_alone else ours.wall / rate.wall
    return [name, f"{rate.wall:,.0f}", f"{rate.cpu:,.0f}" if is_alone else "-", f"{ratio:.2f}"]


# --- memory --------------------------------------------------------------------------------------------


def take_rows(path: Path, is_copy: bool) -> Split:
    """All training rows, each of which was read."""
    split = Store.open(path).split("train")
    held = Split(*(np.array(part) if is_copy else np.asarray(part) for part in split))
    held.features.sum()
    return held


def held_part(folder: Path) -> Part:
    rows = make_rows(*SHAPES["images, float32 [1, 28, 28]"])
    store = make_store(rows, folder / "held")
    cases = {"memory-mapped store": False, "a copy each": True}
    takers = {name: partial(take_rows, store.path, is_copy) for name, is_copy in cases.items()}
    return memory_part(rows.x.nbytes, takers)


def order_of_many(how: str, num_rows: int) -> None:
    """In a process of its own: prints how much its peak of memory grew, and CPU seconds."""
    if how == "computed":
        order.LARGEST_LISTED = 0
    before, began = peak_bytes(), process_time()
    if how == "numpy":
        np.random.Generator(np.random.Philox(key=[SEED, 0])).permutation(num_rows)
    else:
        rows_at = order.order_of(num_rows, SEED, 0)
        for start in range(0, num_rows, 2**14):
            rows_at(np.arange(start, min(start + 2**14, num_rows)))
    seconds = process_time() - began
    print(json.dumps({"bytes": peak_bytes() - before, "seconds": seconds}))


def order_part() -> Part:
    cells = []
    for how, name in ORDERS.items():
        command = [sys.executable, __file__, "--order", how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        cells.append([name, f"{found['bytes'] / 2**20:,.0f}", f"{found['seconds']:.1f}"])
    title = f"The order of {NUM_ORDERED:,} rows"
    return Part(title, ["", "peak, MiB", "CPU seconds for all places"], cells)


# --- preparing -----------------------------------------------------------------------------------------


def preparing_part(folder: Path) -> Part:
    path = folder / "rows.csv"
    values = np.random.default_rng(SEED).standard_normal((CSV_ROWS, CSV_COLUMNS))
    header = ",".join([*(f"x{place}" for place in range(CSV_COLUMNS)), "y"])
    np.savetxt(
        path, np.column_stack([values, np.arange(CSV_ROWS) % 2]), "%.6g", ",", header=header, comments=""
    )
    spec = DataSpec.model_validate({"source": {"type": "csv", "path": str(path), "label": "y"}})
    cells = []
    for name in ("the first time", "again"):
        began = perf_counter()
        prepare(spec, "tabular_classification", folder / "prepared")
        cells.append([name, f"{perf_counter() - began:.2f}"])
    title = f"Preparing a CSV file of {CSV_ROWS:,} rows and {CSV_COLUMNS} columns"
    return Part(title, ["", "s"], cells)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Rows a second, memory, preparing.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--order", choices=ORDERS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.order:
        order_of_many(arguments.order, NUM_ORDERED)
        return
    import ray

    torch.set_num_threads(1)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        parts = []
        for place, title in enumerate(SHAPES):
            (folder / str(place)).mkdir()
            parts.append(rates_part(title, folder / str(place), arguments.rounds))
            print(parts[-1], file=sys.stderr, flush=True)
        ray.shutdown()
        for part in (held_part(folder), preparing_part(folder), order_part()):
            parts.append(part)
            print(part, file=sys.stderr, flush=True)
    facts = {
        "work": f"shuffled batches of {BATCH_SIZE} rows, torch tensors, one thread; the median round counts",
        "peers": f"datasets {metadata.version('datasets')}, pyarrow {metadata.version('pyarrow')}",
        "load average": f"{before:.1f} before, {os.getloadavg()[0]:.1f} after, this run's own included",
    }
    write_page("data", "Data on its way to training", facts, parts, is_complete=arguments.rounds >= ROUNDS)


if __name__ == "__main__":
    main()
