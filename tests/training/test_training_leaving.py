"""A trial that is told to leave, or has no room for its checkpoints, or is killed while it writes one."""

import threading
import time

import pytest
from training_cases import DIABETES, experiment_file
from training_gang import RankProcesses

from tuner.errors import TunerError
from tuner.records.checkpoints import newest_sound, sound_checkpoints
from tuner.records.paths import TrialPaths
from tuner.spec.sections import RecoverySpec

pytestmark = pytest.mark.slow

NEVER = RecoverySpec(checkpoint_seconds=1e9)
AT_REPORTS = RecoverySpec(checkpoint_seconds=0)
WIDE = DIABETES | {"model": {"type": "mlp", "width": 1024, "depth": 3}}
"""Its checkpoint takes a moment to write."""
EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss", "val/accuracy")


ROOM_FOR_WEIGHTS = 400_000
"""Bytes: more than the weights of the best report need, less than a rank's share of the optimizer's state."""


@pytest.fixture
def own_gang(tmp_path):
    """Two ranks that may be spoilt."""
    gang = RankProcesses(2, tmp_path / "rendezvous")
    yield gang
    gang.close()


def exact(reports) -> list[dict]:
    return [{name: report.metrics[name] for name in EXACT} for report in reports]


def hidden(trial: TrialPaths) -> list[str]:
    return [path.name for path in trial.checkpoints.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_it_leaves_before_its_first_step_without_a_checkpoint(gangs, tmp_path, num_ranks):
    path = experiment_file(tmp_path)
    (tmp_path / "leave").touch()
    [report] = gangs(num_ranks).train(path, tmp_path / "out", leave=tmp_path / "leave", recovery=NEVER)
    assert (report.step, report.metrics, report.has_left, report.state) == (0, {}, True, None)
    assert newest_sound(TrialPaths(tmp_path / "out")) is None


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_it_leaves_inside_an_epoch_and_goes_on_exactly(gangs, tmp_path, num_ranks):
    gang, out, leave = gangs(num_ranks), tmp_path / "out", tmp_path / "leave"
    path = experiment_file(
        tmp_path, model={"dropout": 0.3}, epochs=12, batch_size=2 * num_ranks, validate_every=4
    )
    whole = gang.train(path, tmp_path / "whole", recovery=NEVER)
    alarm = threading.Timer(0.5, leave.touch)
    alarm.start()
    before = gang.train(path, out, leave=leave, recovery=NEVER)
    leave.unlink()
    left = before.pop()
    assert (left.step, left.metrics, left.has_left) == (len(before), {}, True)
    found = newest_sound(TrialPaths(out))
    assert found.num_steps == left.num_steps > 0
    rest = gang.train(path, out, resume=out, recovery=NEVER)
    assert exact(before + rest) == exact(whole)


def test_a_report_that_was_just_made_comes_before_it_leaves(gangs, tmp_path):
    gang, leave, out = gangs(2), tmp_path / "leave", tmp_path / "out"
    gang.call("start_with", experiment_file(tmp_path), out, {"leave": leave, "recovery": NEVER})
    assert gang.call("step").step == 1
    leave.touch()
    report = gang.call("step")
    assert (report.step, report.has_left) == (1, True)
    assert newest_sound(TrialPaths(out)).num_reports == 1


def test_what_is_never_saved_leaves_without(gangs, tmp_path):
    (tmp_path / "leave").touch()
    gang, out = gangs(1), tmp_path / "out"
    [report] = gang.train(experiment_file(tmp_path), out, leave=tmp_path / "leave", is_saved=False)
    assert report.has_left
    assert not TrialPaths(out).checkpoints.exists()


@pytest.mark.parametrize(
    ("recovery", "kept"), [(AT_REPORTS, 2), (RecoverySpec(checkpoint_seconds=0, keep_last=1), 1)]
)
def test_a_checkpoint_at_each_report_and_so_many_stay(gangs, tmp_path, recovery, kept):
    gang, out = gangs(2), tmp_path / "out"
    gang.call("start_with", experiment_file(tmp_path, epochs=5), out, {"recovery": recovery})
    for _ in range(4):
        gang.call("step")
        gang.call("settle")
    found = [(one.num_reports, one.position["batch"]) for one in sound_checkpoints(TrialPaths(out))]
    assert found == [(3, 0), (2, 0)][:kept], "what is saved at a report is written beside the next step"
    assert not hidden(TrialPaths(out))


@pytest.mark.parametrize("limited_rank", [0, 1])
def test_without_room_training_goes_on_and_pausing_says_why(own_gang, tmp_path, limited_rank):
    gang, out, log = own_gang, tmp_path / "out", tmp_path / "log.txt"
    path = experiment_file(tmp_path, WIDE, {"width": 256, "depth": 2}, epochs=6, zero={"stage": 2})
    gang.call("log_to", log)
    gang.call("start_with", path, out, {"recovery": AT_REPORTS})
    gang.call("step")
    gang.call("save")
    gang.call("limit_files", limited_rank, ROOM_FOR_WEIGHTS)
    try:
        for _ in range(3):
            gang.call("step")
            gang.call("settle")
        with pytest.raises(TunerError, match="must be written before its trial stands still, but"):
            gang.call("save")
    finally:
        gang.call("limit_files", limited_rank, None)
    assert [one.num_reports for one in sound_checkpoints(TrialPaths(out))] == [1]
    assert not hidden(TrialPaths(out))
    gang.call("step")
    gang.call("save")
    assert [one.num_reports for one in sound_checkpoints(TrialPaths(out))] == [5, 4]
    said = [line for line in log.read_text().splitlines() if "a checkpoint was not written" in line]
    assert len(said) == 3
    assert all("File too large" in line for line in said)


@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_is_killed_while_it_writes_leaves_the_checkpoint_before(
    gangs, own_gang, tmp_path, killed
):
    path = experiment_file(tmp_path, WIDE, epochs=4)
    whole = gangs(2).train(path, tmp_path / "whole")
    out, trial = tmp_path / "out", TrialPaths(tmp_path / "out")
    gang = own_gang
    gang.call("start_with", path, out, {"recovery": NEVER})
    gang.call("step")
    gang.call("save")
    gang.call("step")
    gang.call("save", False)
    deadline = time.monotonic() + 20
    while not hidden(trial) and time.monotonic() < deadline:
        time.sleep(0.0005)
    gang.kill(killed)
    gang.kill(1 - killed)
    found = newest_sound(trial)
    assert found.num_reports in (1, 2)
    rest = gangs(2).train(path, out, resume=out)
    for expected, report in zip(whole[found.num_reports :], rest, strict=True):
        assert report.metrics["val/loss"] == expected.metrics["val/loss"]
