"""Stopping and going on gives the same losses to the last bit."""

import pytest
from training_cases import OPTIMIZERS, experiment_file

EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss", "val/accuracy")
CASES = [
    (0, "fp32", 1),
    (0, "fp32", 2),
    (1, "fp32", 2),
    (2, "fp32", 2),
    (3, "fp32", 2),
    (0, "bf16", 2),
    (1, "bf16", 2),
    (2, "bf16", 2),
    (3, "bf16", 2),
    (1, "fp16", 2),
    (2, "fp16", 2),
]


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "precision", "num_ranks"), CASES)
def test_resume_is_exact(gangs, tmp_path, stage, precision, num_ranks):
    gang = gangs(num_ranks)
    if precision == "fp16":
        gang.call("override_fp16")
    path = experiment_file(
        tmp_path,
        epochs=4,
        model={"dropout": 0.3, "normalisation": "batch"},
        optimizer=OPTIMIZERS["adam"],
        zero={"stage": stage},
        precision=precision,
        schedule={"type": "cosine", "warmup": 0.1},
        early_stop={"patience": 4},
    )
    whole = gang.train(path, tmp_path / "whole")
    first = gang.train(path, tmp_path / "cut", reports=2)
    rest = gang.train(path, tmp_path / "cut", resume=tmp_path / "cut")
    assert [report.step for report in first + rest] == [1, 2, 3, 4]
    for expected, found in zip(whole, first + rest, strict=True):
        assert {name: found.metrics[name] for name in EXACT} == {
            name: expected.metrics[name] for name in EXACT
        }
