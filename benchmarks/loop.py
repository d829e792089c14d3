"""Samples a second of the training loop: `tuner` against hand-written loops in DeepSpeed and in torch.

    python benchmarks/loop.py [--rounds 15] [--device cuda]

Same networks (built by `tuner.models`), same rows, same global batch, AdamW, fp32, one thread a rank;
DeepSpeed with ZeRO stage 1, torch with DistributedDataParallel where there are two ranks. The hand-written
loops index tensors that lie in the device's memory by a permutation, the fastest simple way, look at no loss
and write nothing. On GPUs as many ranks are measured as there are GPUs.

For each network and number of ranks `torchrun` starts the ranks once. There each loop trains one epoch in
turn, A B C C B A A B C ..., after one epoch each that does not count: the machine's slow moments then hit all
of them alike. The ratio is the median over the rounds of ours / theirs, taken within a round.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from _table import write_table

if TYPE_CHECKING:
    import torch

MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"type": "mlp", "width": 256, "depth": 3},
    "mlp_wide": {"type": "mlp", "width": 512, "depth": 3},
    "cnn": {"type": "cnn", "channels": 64, "depth": 3},
}
BATCH_SIZE = 128
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
LR = 1e-3
COPIES = 4
TRAIN_SHARE = 0.7
SEED = 0

Epoch = Callable[[], float]
"""Trains one epoch and returns its samples a second, over all ranks."""


@dataclass(frozen=True)
class Work:
    """What all loops are given."""

    model: dict[str, Any]
    folder: Path
    num_epochs: int
    rank: int
    num_ranks: int
    device_type: str

    @property
    def device(self) -> str:
        return f"cuda:{self.rank}" if self.device_type == "cuda" else "cpu"

    @property
    def data(self) -> Path:
        return self.folder / "digits.npz"

    def train_rows(self) -> "tuple[torch.Tensor, torch.Tensor]":
        import torch

        arrays = np.load(self.data, allow_pickle=False)
        num_rows = int(TRAIN_SHARE * len(arrays["x"]))
        x, y = (torch.from_numpy(arrays[name][:num_rows]) for name in ("x", "y"))
        return x.to(self.device), y.to(self.device)

    def network(self) -> "torch.nn.Module":
        import torch
        from pydantic import TypeAdapter

        from tuner import models
        from tuner.spec.sections import ModelSpec

        torch.manual_seed(SEED)
        spec = TypeAdapter(ModelSpec).validate_python(self.model)
        network = models.build(spec, models.DataShape(input_shape=(1, 8, 8)), 10)
        return network.to(self.device)


def save_digits(path: Path) -> None:
    """The digits `COPIES` times over as images [rows, 1, 8, 8], shuffled, so that an epoch lasts a while."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = np.random.default_rng(SEED).permutation(COPIES * len(digits.target)) % len(digits.target)
    np.savez(path, x=(digits.images[rows, None] / 16.0).astype(np.float32), y=digits.target[rows])


# --- the three loops -----------------------------------------------------------------------------------


def run_torch(work: Work) -> Epoch:
    import torch
    from torch import nn

    x, y = work.train_rows()
    model: nn.Module = work.network()
    if work.num_ranks > 1:
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)

    def update(rows: torch.Tensor) -> None:
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return lambda: time_epoch(update, len(x), work)


def run_deepspeed(work: Work) -> Epoch:
    import deepspeed
    import torch
    from torch import nn

    deepspeed.init_distributed(dist_backend=BACKENDS[work.device_type])
    x, y = work.train_rows()
    model = work.network()
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=torch.optim.AdamW(model.parameters(), lr=LR),
        config={
            "train_batch_size": BATCH_SIZE,
            "zero_optimization": {"stage": 1},
            "steps_per_print": sys.maxsize,
        },
    )

    def update(rows: torch.Tensor) -> None:
        loss = nn.functional.cross_entropy(engine(x[rows]), y[rows])
        engine.backward(loss)
        engine.step()

    return lambda: time_epoch(update, len(x), work)


def time_epoch(update: "Callable[[torch.Tensor], None]", num_rows: int, work: Work) -> float:
    """One epoch of full global batches through `update`; samples a second over all ranks."""
    import torch

    num_batches = num_rows // BATCH_SIZE
    started = perf_counter()
    for rows in rank_batches(num_rows, num_batches, work):
        update(rows)
    if work.device_type == "cuda":
        torch.cuda.synchronize()
    return num_batches * BATCH_SIZE / (perf_counter() - started)


def rank_batches(num_rows: int, num_batches: int, work: Work) -> "Iterator[torch.Tensor]":
    import torch

    # The default generator was seeded alike on all ranks, so they draw the same permutation.
    order = torch.randperm(num_rows, device=work.device)[: num_batches * BATCH_SIZE]
    yield from order.reshape(num_batches, work.num_ranks, -1)[:, work.rank]


def run_tuner(work: Work) -> Epoch:
    import torch

    from tuner.data import prepare
    from tuner.spec import Experiment
    from tuner.training.deepspeed_training import DeepSpeedTraining
    from tuner.training.job import TrialJob
    from tuner.training.ranks import Ranks
    from tuner.training.report import Objective

    spec = Experiment.from_dict(tuner_experiment(work)).resolve({})
    store = prepare(spec.data, spec.task, work.folder / "store")
    job = TrialJob(
        number=0,
        params={},
        objective=Objective("val/loss", "min"),
        folder=work.folder / "trial",
        is_saved=False,
        spec=spec,
        store=store.path,
    )
    training = DeepSpeedTraining(
        job,
        Ranks(
            rank=work.rank,
            num_ranks=work.num_ranks,
            local_rank=work.rank,
            device_type=work.device_type,
        ),
    )

    def epoch() -> float:
        # As ranks of a gang do on GPUs; the hand-written loops need not.
        torch.use_deterministic_algorithms(work.device_type == "cuda", warn_only=True)
        speed: float = training.step().metrics["train/samples_per_s"]
        torch.use_deterministic_algorithms(False)
        return speed

    return epoch


def tuner_experiment(work: Work) -> dict[str, Any]:
    rest = round((1 - TRAIN_SHARE) / 2, 6)
    return {
        "name": "loop",
        "task": "image_classification",
        "data": {
            "source": {"type": "npz", "path": str(work.data)},
            "split": {"train": TRAIN_SHARE, "val": rest, "test": rest},
        },
        "model": work.model,
        "train": {
            "epochs": work.num_epochs,
            "batch_size": BATCH_SIZE,
            "optimizer": {"type": "adamw", "lr": LR},
            "precision": "fp32",
            "zero": {"stage": 1},
        },
        "search": {"metric": "val/loss", "mode": "min", "trials": 1, "scheduler": "none", "seed": SEED},
        "resources": {"workers": work.num_ranks},
    }


LOOPS: dict[str, Callable[[Work], Epoch]] = {
    "torch": run_torch,
    "deepspeed": run_deepspeed,
    "tuner": run_tuner,
}


# --- measuring -----------------------------------------------------------------------------------------


def rank_main(arguments: argparse.Namespace) -> None:
    """One rank, under `torchrun`: trains the loops in turn; rank 0 writes their speeds down."""
    import torch

    if arguments.device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group(BACKENDS[arguments.device])
    work = Work(
        MODELS[arguments.model],
        arguments.folder,
        arguments.rounds + 1,
        torch.distributed.get_rank(),
        torch.distributed.get_world_size(),
        arguments.device,
    )
    figures = take_turns({name: LOOPS[name](work) for name in arguments.loops}, arguments.rounds)
    if work.rank == 0:
        (work.folder / "figures.json").write_text(json.dumps(figures))
    torch.distributed.destroy_process_group()


def take_turns(epochs: Mapping[str, Epoch], num_rounds: int) -> dict[str, list[float]]:
    """One epoch each to warm up, then `num_rounds` rounds, every other one backwards."""
    import torch

    figures: dict[str, list[float]] = {name: [] for name in epochs}
    for epoch in epochs.values():
        epoch()
    orders = itertools.cycle([list(epochs), list(epochs)[::-1]])
    for name in itertools.chain.from_iterable(itertools.islice(orders, num_rounds)):
        torch.distributed.barrier()
        figures[name].append(epochs[name]())
    return figures


def measure(model: str, num_ranks: int, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Start the ranks, wait for them; loop -> samples a second by round."""
    with tempfile.TemporaryDirectory(prefix="loop_") as folder:
        save_digits(Path(folder) / "digits.npz")
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_ranks)]
        options = ["--model", model, "--folder", folder, "--rounds", str(arguments.rounds)]
        options += ["--device", arguments.device]
        subprocess.run(
            [sys.executable, *launcher, __file__, *options, "--loops", *arguments.loops],
            check=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "DS_ACCELERATOR": arguments.device,
                "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            },
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
        )
        figures: dict[str, list[float]] = json.loads((Path(folder) / "figures.json").read_text())
        return figures


def table_row(model: str, num_ranks: int, figures: Mapping[str, list[float]]) -> list[str]:
    speeds = [f"{median(of_loop):,.0f}" for of_loop in figures.values()]
    return [model, str(num_ranks), *speeds, *(ratio(figures, other) for other in ("deepspeed", "torch"))]


def ratio(figures: Mapping[str, list[float]], other: str) -> str:
    """Median over the rounds of ours / theirs; a dash where one was left out."""
    if not {"tuner", other} <= figures.keys():
        return "-"
    return f"{median(a / b for a, b in zip(figures['tuner'], figures[other], strict=True)):.3f}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Samples a second of the training loop.")
    parser.add_argument("--rounds", type=int, default=15, help="epochs of each loop that count")
    parser.add_argument("--device", choices=list(BACKENDS), default="cpu")
    parser.add_argument("--loops", nargs="+", choices=list(LOOPS), default=list(LOOPS))
    parser.add_argument("--model", choices=sorted(MODELS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.folder:
        rank_main(arguments)
        return
    rows = []
    for model, num_ranks in itertools.product(MODELS, numbers_of_ranks(arguments.device)):
        rows.append(table_row(model, num_ranks, measure(model, num_ranks, arguments)))
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    write_table(
        "loop" if arguments.device == "cpu" else "loop_gpu",
        "Samples a second of the training loop",
        {
            "model": "; ".join(describe(name) for name in MODELS),
            "work": f"handwritten digits, global batch {BATCH_SIZE}, AdamW, fp32, ZeRO stage 1, "
            f"{BACKENDS[arguments.device]}, one thread a rank; median of {arguments.rounds} epochs",
        },
        ["model", "ranks", *arguments.loops, "tuner / deepspeed", "tuner / torch"],
        rows,
        is_complete=set(arguments.loops) == set(LOOPS),
    )


def numbers_of_ranks(device: str) -> list[int]:
    import torch

    return [1, 2] if device == "cpu" else sorted({1, torch.cuda.device_count()})


def describe(model: str) -> str:
    network = Work(MODELS[model], Path(), 0, 0, 1, "cpu").network()
    num_weights = sum(weight.numel() for weight in network.parameters())
    settings = ", ".join(f"{key} {value}" for key, value in MODELS[model].items() if key != "type")
    return f"{model} ({settings}; {num_weights / 1e3:,.0f} k weights)"


if __name__ == "__main__":
    main()
