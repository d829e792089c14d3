"""Stopping and going on gives the same losses to the last bit."""

import pytest
import training_torchrun
from training_cases import OPTIMIZERS, experiment_file

from tuner.records.checkpoints import newest_sound
from tuner.records.paths import TrialPaths

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


@pytest.mark.slow
def test_resume_is_exact_under_torchrun(gangs, tmp_path):
    path, out = experiment_file(tmp_path, epochs=2, zero={"stage": 1}), tmp_path / "out"
    whole = gangs(2).train(path, tmp_path / "whole")
    training_torchrun.train(path, out, num_ranks=2, arguments=("--reports", "1"))
    folder = newest_sound(TrialPaths(out)).folder
    [rest] = training_torchrun.train(path, out, num_ranks=2, arguments=("--resume", str(folder)))
    assert (rest["step"], rest["state"]) == (2, "COMPLETE")
    assert {name: rest[name] for name in EXACT} == {name: whole[1].metrics[name] for name in EXACT}


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 3])
def test_resume_is_exact_of_compiled_models(gangs, tmp_path, stage):
    gang, cut = gangs(2), tmp_path / "cut"
    model = {"dropout": 0.3, "normalisation": "batch"}
    path = experiment_file(tmp_path, model=model, zero={"stage": stage}, compile=True)
    whole = gang.train(path, tmp_path / "whole")
    first = gang.train(path, cut, reports=1)
    rest = gang.train(path, cut, resume=cut)
    for expected, found in zip(whole, first + rest, strict=True):
        assert [found.metrics[name] for name in EXACT] == [expected.metrics[name] for name in EXACT]


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_resume_is_exact_with_offload(gangs, tmp_path, stage):
    gang, cut = gangs(2), tmp_path / "cut"
    path = experiment_file(tmp_path, zero={"stage": stage, "offload": "cpu"})
    whole = gang.train(path, tmp_path / "whole")
    first = gang.train(path, cut, reports=1)
    rest = gang.train(path, cut, resume=cut)
    assert [report.metrics["val/loss"] for report in first + rest] == [
        report.metrics["val/loss"] for report in whole
    ]
