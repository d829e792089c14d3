"""Stopping and going on gives the same losses to the last bit."""

import pytest
from test_training_against_torch import experiment_file
from training_torchrun import train

EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss", "val/accuracy")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "precision", "num_ranks"),
    [(0, "fp32", 1), (0, "fp32", 2), (1, "fp32", 2), (2, "bf16", 2), (3, "fp32", 2)],
)
def test_resume_is_exact(tmp_path, stage, precision, num_ranks):
    path = experiment_file(
        tmp_path,
        epochs=4,
        zero={"stage": stage},
        precision=precision,
        schedule={"type": "cosine", "warmup": 0.1},
        early_stop={"patience": 4},
    )
    path.write_text(path.read_text().replace("channels: 4", "channels: 4\n  dropout: 0.3\n  normalisation: batch"))
    whole = train(path, tmp_path / "whole", num_ranks=num_ranks)
    first = train(path, tmp_path / "cut", num_ranks=num_ranks, arguments=("--reports", "2"))
    checkpoint = tmp_path / "cut" / "checkpoints" / "last"
    rest = train(path, tmp_path / "cut", num_ranks=num_ranks, arguments=("--resume", str(checkpoint)))
    assert [report["step"] for report in first + rest] == [1, 2, 3, 4]
    for expected, found in zip(whole, first + rest, strict=True):
        assert {name: found[name] for name in EXACT} == {name: expected[name] for name in EXACT}
