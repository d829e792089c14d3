"""What a function of one's own keeps in its trial's folder is saved at reports, and given back."""

import os
from pathlib import Path

import pytest

from tuner.records.checkpoints import newest_sound, sound_checkpoints, take_over
from tuner.records.event_reader import read_scalars
from tuner.records.paths import TrialPaths
from tuner.spec.sections import RecoverySpec
from tuner.training.job import TrialJob
from tuner.training.ranks import Ranks
from tuner.training.report import Objective
from tuner.training.worker import Worker

AT_REPORTS = RecoverySpec(checkpoint_seconds=0)


def adds_up(config, trial):
    """Goes on from the sum that it kept; keeps in a file, in a folder, and by a link."""
    root = Path(trial.folder)
    total = float((root / "latest").read_text()) if trial.num_reports else 0.0
    for step in range(trial.num_reports + 1, 6):
        total += step
        (root / "sums" / "deep").mkdir(parents=True, exist_ok=True)
        (root / "empty").mkdir(exist_ok=True)
        kept = root / "sums" / "deep" / f"{step}.txt"
        kept.write_text(str(total))
        (root / "latest").unlink(missing_ok=True)
        (root / "latest").symlink_to(kept.relative_to(root))
        yield {"loss": total}


def job(folder, num_reports=0, **changes) -> TrialJob:
    common = {"number": 0, "params": {}, "objective": Objective("loss", "min"), "function": adds_up}
    return TrialJob(
        **common | {"folder": folder, "num_reports": num_reports, "recovery": AT_REPORTS} | changes
    )


@pytest.fixture
def worker():
    one = Worker(Ranks())
    yield one
    one.close()


def losses(worker, count) -> list[float]:
    return [worker.step().metrics["loss"] for _ in range(count)]


def begin(worker, folder, **changes) -> int:
    found = newest_sound(TrialPaths(folder))
    worker.start(job(folder, found.num_reports, **changes))
    worker.load(found)
    return found.num_reports


def kept(folder) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if "checkpoints" not in path.parts and path.is_file()]
    records = ("events", "log", "params", ".lock", ".heartbeat", ".stacks_")
    return {str(p.relative_to(folder)): p.read_text() for p in paths if not p.name.startswith(records)}


def test_it_goes_on_from_what_it_kept_at_the_checkpoint(worker, tmp_path):
    worker.start(job(tmp_path))
    assert losses(worker, 3) == [1, 3, 6]
    assert begin(worker, tmp_path) == 2, "the third report is saved with the next step"
    assert kept(tmp_path) == {"latest": "3.0", "sums/deep/1.txt": "1.0", "sums/deep/2.txt": "3.0"}
    assert (tmp_path / "empty").is_dir()
    assert os.readlink(tmp_path / "latest") == "sums/deep/2.txt"
    assert losses(worker, 3) == [6, 10, 15]
    frame = read_scalars(tmp_path).query("tag == 'loss'")
    assert (frame["step"].tolist(), frame["value"].tolist()) == ([1, 2, 3, 4, 5], [1, 3, 6, 10, 15])


def test_a_pause_saves_the_last_report_and_only_that(worker, tmp_path):
    worker.start(job(tmp_path, recovery=RecoverySpec(checkpoint_seconds=1e9)))
    losses(worker, 3)
    worker.save()
    found = [one.num_reports for one in sound_checkpoints(TrialPaths(tmp_path))]
    assert found == [3]
    assert begin(worker, tmp_path) == 3
    assert losses(worker, 2) == [10, 15]


def test_what_it_writes_later_does_not_reach_the_checkpoint(worker, tmp_path):
    worker.start(job(tmp_path))
    losses(worker, 1)
    worker.save()
    (tmp_path / "latest").write_text("spoilt")
    (tmp_path / "more").write_text("more")
    begin(worker, tmp_path)
    assert kept(tmp_path) == {"latest": "1.0", "sums/deep/1.txt": "1.0"}
    (tmp_path / "sums" / "deep" / "1.txt").write_text("in place")
    assert newest_sound(TrialPaths(tmp_path)) is not None


def test_a_copy_begins_with_what_its_donor_kept(worker, tmp_path):
    donor, receiver = TrialPaths(tmp_path / "0"), TrialPaths(tmp_path / "1")
    worker.start(job(donor.root))
    losses(worker, 3)
    worker.save()
    receiver.root.mkdir()
    (receiver.root / "own").write_text("goes")
    take_over(donor, receiver, best=None)
    assert begin(worker, receiver.root) == 3
    assert kept(receiver.root) == kept(donor.root)
    assert losses(worker, 1) == [10]
    assert newest_sound(donor) is not None


def test_it_leaves_at_a_report(worker, tmp_path):
    leave = tmp_path / "leave"
    worker.start(job(tmp_path / "trial", leave=leave))
    losses(worker, 2)
    leave.touch()
    report = worker.step()
    assert (report.step, report.metrics, report.has_left) == (2, {}, True)
    leave.unlink()
    assert begin(worker, tmp_path / "trial") == 2
    assert losses(worker, 1) == [6]


def test_a_function_that_cannot_be_saved_is_not(worker, tmp_path):
    leave = tmp_path / "leave"
    worker.start(job(tmp_path / "trial", is_saved=False, leave=leave))
    losses(worker, 2)
    worker.save()
    leave.touch()
    assert worker.step().has_left
    assert not (tmp_path / "trial" / "checkpoints").exists()


def test_without_room_it_goes_on(worker, tmp_path, capsys):
    (tmp_path / "checkpoints").write_text("in the way")
    worker.start(job(tmp_path))
    assert losses(worker, 3) == [1, 3, 6]
    assert "a checkpoint must be written" in capsys.readouterr().err
