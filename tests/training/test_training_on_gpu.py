"""The training loop on one GPU: every stage and precision, exact resume, the loss scale, memory."""

import numpy as np
import pytest
import torch
from training_cases import DIGITS, OPTIMIZERS, experiment_file
from training_gang import is_complete, rank_processes
from training_reference import train_plainly

from tuner.records.states import TrialState
from tuner.spec import Experiment
from tuner.training.memory import is_out_of_memory

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]

EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss", "val/accuracy")
TOLERANCE = {"fp32": 1e-3, "bf16": 0.05, "fp16": 0.02}
STAGES = [0, 1, 2, 3]
LARGE = DIGITS | {
    "data": {"source": {"type": "npz", "path": "rows.npz"}},
    "model": {"type": "cnn", "channels": 256, "depth": 1},
}


@pytest.fixture(scope="module")
def gang(tmp_path_factory):
    with rank_processes(1, tmp_path_factory.mktemp("gpu"), "cuda") as made:
        yield made


def values(report) -> dict[str, float]:
    return {name: report.metrics[name] for name in EXACT}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("stage", STAGES)
def test_the_losses_are_those_of_plain_torch(gang, tmp_path, stage, precision, optimizer):
    path = experiment_file(
        tmp_path,
        zero={"stage": stage},
        precision=precision,
        optimizer=OPTIMIZERS[optimizer],
        gradient_clip=1.0,
    )
    expected = train_plainly(Experiment.load(path), tmp_path / "plain")
    reports = gang.train(path, tmp_path / "out")
    assert is_complete(reports)
    found = [report.metrics["train/loss"] for report in reports]
    assert found == pytest.approx(expected, rel=TOLERANCE[precision])


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("stage", STAGES)
def test_resume_is_exact(gang, tmp_path, stage, precision):
    path = experiment_file(
        tmp_path,
        epochs=4,
        model={"dropout": 0.3, "normalisation": "batch"},
        zero={"stage": stage},
        precision=precision,
        schedule={"type": "cosine", "warmup": 0.1},
    )
    whole = gang.train(path, tmp_path / "whole")
    first = gang.train(path, tmp_path / "cut", reports=2)
    rest = gang.train(path, tmp_path / "cut", resume=tmp_path / "cut")
    assert [report.step for report in first + rest] == [1, 2, 3, 4]
    assert [values(report) for report in first + rest] == [values(report) for report in whole]


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_offload_to_the_cpu(gang, tmp_path, stage):
    path = experiment_file(tmp_path, zero={"stage": stage, "offload": "cpu"})
    expected = train_plainly(Experiment.load(path), tmp_path / "plain")
    found = [report.metrics["train/loss"] for report in gang.train(path, tmp_path / "out")]
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("stage", STAGES)
def test_the_loss_scale_of_fp16_comes_down_until_gradients_fit(gang, tmp_path, stage):
    """DeepSpeed begins at 65,536, which overflows here; the skipped updates leave the weights as they are."""
    path = experiment_file(tmp_path, epochs=6, precision="fp16", zero={"stage": stage}, optimizer=HOT)
    reports = gang.train(path, tmp_path / "out")
    scales = [report.metrics["train/loss_scale"] for report in reports]
    assert is_complete(reports)
    assert scales[-1] < 65_536
    assert all(2.0 ** round(torch.tensor(scale).log2().item()) == scale for scale in scales)


HOT = {"type": "sgd", "lr": 1.0, "momentum": 0.9}


def test_auto_is_bf16_on_a_gpu_that_has_it(gang, tmp_path):
    auto, bf16 = (
        gang.train(experiment_file(tmp_path / asked, precision=asked), tmp_path / asked / "out")
        for asked in ("auto", "bf16")
    )
    assert [values(report) for report in auto] == [values(report) for report in bf16]


def test_a_nan_ends_the_trial(gang, tmp_path):
    path = experiment_file(tmp_path, zero={"stage": 1}, precision="bf16")
    gang.call("start", path, tmp_path / "out")
    gang.call("break_weights", 0)
    assert gang.call("step").state is TrialState.DIVERGED


def test_out_of_memory_is_told_and_a_smaller_micro_batch_trains_the_same(gang, tmp_path):
    """A micro-batch of 1,024 keeps gigabytes of activations, one of 64 a sixteenth of that."""

    def train(name: str, micro_batch: int):
        path = experiment_file(tmp_path / name, LARGE, batch_size=1024, micro_batch=micro_batch)
        save_large_images(tmp_path / name / "rows.npz")
        return gang.train(path, tmp_path / f"out_{name}")

    whole, small = train("whole", 1024), train("small", 64)
    peaks = [reports[0].metrics["system/peak_memory_bytes"] for reports in (whole, small)]
    assert peaks[1] < peaks[0] / 4
    gang.call("allow_gpu_memory", sum(peaks) / 2 / torch.cuda.get_device_properties(0).total_memory)
    try:
        with pytest.raises(Exception, match="out of memory") as raised:
            train("full", 1024)
        assert is_out_of_memory(raised.value)
        again = train("again", 64)
    finally:
        gang.call("allow_gpu_memory", 1.0)
    losses = [[report.metrics["train/loss"] for report in reports] for reports in (whole, small, again)]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert losses[2] == losses[1]


def save_large_images(path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 2048)
    images = rng.normal(size=(2048, 1, 32, 32)) + labels[:, None, None, None]
    np.savez(path, x=images.astype(np.float32), y=labels)


def test_memory_comes_back_between_trials(gang, tmp_path):
    def train(number: int) -> tuple[int, int]:
        train = {"optimizer": OPTIMIZERS["adamw"], "zero": {"stage": number % 4}, "epochs": 1}
        gang.train(experiment_file(tmp_path / str(number), **train), tmp_path / f"out_{number}")
        return gang.call("gpu_bytes")

    for number in range(4):
        train(number)
    first, *_, last = [train(number) for number in range(4, 24)]
    assert last[0] <= first[0] + 2**20
    assert last[1] <= first[1] + 2 * 2**20
