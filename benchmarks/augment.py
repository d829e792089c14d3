"""How many rows a second augmentation makes, on one core, by the CPU time of this process.

    python benchmarks/augment.py [--rows 128]

Beside it what a batch costs without: the gather of the rows and their way to torch.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from _batches import whole_batches

from tuner.data import Batches, Split
from tuner.spec.sections import AugmentSpec
from tuner.training.augment import Augmentation

SHAPES = [(1, 28, 28), (3, 32, 32)]
WARP = {"rotate": 15.0, "scale": 0.1, "translate": 0.1}
CASES = {
    "nothing": {},
    "rotate, scale, translate": WARP,
    "flip": {"flip": 0.5},
    "brightness, contrast": {"brightness": 0.2, "contrast": 0.2},
    "noise": {"noise": 0.1},
    "cutout": {"cutout": 0.3},
    "mixup": {"mixup": 0.2},
    "all but noise": WARP | {"flip": 0.5, "brightness": 0.2, "contrast": 0.2, "cutout": 0.3, "mixup": 0.2},
}
REPEATS = 5


def rows_per_second(shape: tuple[int, ...], fields: dict[str, float], num_rows: int) -> float:
    """Of the fastest of `REPEATS` epochs of 20 batches."""
    augmentation = Augmentation(AugmentSpec(**fields), 0, 10, None)
    features = np.random.default_rng(0).normal(size=(20 * num_rows, *shape)).astype(np.float32)
    split = Split(features, np.arange(len(features)) % 10)
    batches = whole_batches(split, num_rows, num_following=augmentation.num_following)
    seconds = min(_seconds(lambda: _epoch(batches, augmentation)) for _ in range(REPEATS))
    return len(features) / seconds


def _epoch(batches: Batches, augmentation: Augmentation) -> None:
    for batch, [(x, y)] in enumerate(batches.epoch(0)):
        (place,) = batches.places(batch).tolist()
        tensors = torch.from_numpy(x), torch.from_numpy(y)
        if augmentation.is_on:
            augmentation(*tensors, epoch=0, place=place)


def _seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=128, help="of a batch")
    num_rows = parser.parse_args().rows
    torch.set_num_threads(1)
    print("| rows/s | " + " | ".join(" x ".join(map(str, shape)) for shape in SHAPES) + " |")
    print("|---|" + "---:|" * len(SHAPES))
    for name, fields in CASES.items():
        rates = [rows_per_second(shape, fields, num_rows) for shape in SHAPES]
        print(f"| {name} | " + " | ".join(f"{rate:,.0f}" for rate in rates) + " |")


if __name__ == "__main__":
    main()
