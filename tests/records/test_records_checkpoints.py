"""Checkpoints on disk: only a whole one has its name, only a sound one is found, and a copy is by links."""

import json
import os
import random
import shutil

import pytest

from tuner.errors import TunerError
from tuner.records import checkpoints
from tuner.records.checkpoints import (
    begin,
    beside,
    complete,
    discard,
    drop_checkpoints,
    is_written,
    name_of,
    newest_sound,
    read_checkpoint,
    sound_checkpoints,
    take_over,
    write_file,
    write_manifest,
)
from tuner.records.paths import POSITION, TrialPaths

NUM_RANKS = 2


@pytest.fixture
def trial(tmp_path):
    return TrialPaths(tmp_path / "a [strange] *name*\nwith 'quotes'")


def write(trial, num_reports, num_steps=0, *, keep_last=9, ranks=range(NUM_RANKS), **position):
    """A checkpoint of two ranks; without all of `ranks` it is left unfinished."""
    name = name_of(num_reports, num_steps)
    folder = begin(trial, name)
    content = {"num_reports": num_reports, "num_ranks": NUM_RANKS, "best": 0.5, **position}
    for rank in ranks:
        files = {f"state/weights_{rank}": os.urandom(100), f"rank_{rank}.pt": bytes([rank])}
        if rank == 0:
            files[POSITION] = json.dumps(content).encode()
        entries = {path: write_file(folder, path, data) for path, data in files.items()}
        write_manifest(folder, rank, NUM_RANKS, entries)
    if is_written(folder, NUM_RANKS):
        complete(trial, name, keep_last)
    return trial.checkpoints / name


def names(trial) -> list[str]:
    return sorted(path.name for path in trial.checkpoints.iterdir())


def test_names_sort_in_the_order_of_training():
    steps = [(0, 5), (1, 40), (1, 300), (2, 300), (12, 4000)]
    assert sorted(name_of(*one) for one in steps) == [name_of(*one) for one in steps]


def test_what_was_written_is_found(trial):
    assert newest_sound(trial) is None
    write(trial, 1, 10)
    folder = write(trial, 2, 25, epoch=3)
    found = newest_sound(trial)
    assert (found.folder, found.num_reports, found.num_steps) == (folder, 2, 25)
    assert found.position == {"num_reports": 2, "num_ranks": NUM_RANKS, "best": 0.5, "epoch": 3}
    assert [one.num_reports for one in sound_checkpoints(trial)] == [2, 1]


def test_nothing_is_visible_before_all_ranks_have_written(trial):
    write(trial, 1)
    write(trial, 2, ranks=[0])
    assert names(trial) == [f".{name_of(2, 0)}.new", name_of(1, 0)]
    assert newest_sound(trial).num_reports == 1
    write(trial, 3)
    assert names(trial) == [name_of(1, 0), name_of(3, 0)], "what was cut is cleared away"


def truncate(path):
    os.truncate(path, path.stat().st_size - 1)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def make_a_folder(path):
    path.unlink()
    path.mkdir()


FILES = [
    "state/weights_0",
    "state/weights_1",
    "rank_0.pt",
    "rank_1.pt",
    POSITION,
    "rank_0.json",
    "rank_1.json",
]


@pytest.mark.parametrize("harm", [truncate, flip, empty, os.unlink, make_a_folder], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_makes_the_one_before_count(trial, name, harm):
    write(trial, 1)
    harm(write(trial, 2) / name)
    assert newest_sound(trial).num_reports == 1


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "7", '{"num_ranks": 0, "files": {}}', '{"num_ranks": 2']
)
@pytest.mark.parametrize("name", ["rank_0.json", "rank_1.json", POSITION])
def test_whatever_stands_in_a_manifest(trial, name, text):
    write(trial, 1)
    (write(trial, 2) / name).write_text(text)
    assert newest_sound(trial).num_reports == 1


def test_any_byte_of_any_file_counts(trial):
    """A changed byte makes it unsound, or means the same (a blank of a manifest)."""
    folder = write(trial, 1)
    whole = read_checkpoint(folder)
    draw = random.Random(0)
    for path in (folder / name for name in FILES):
        before = path.read_bytes()
        for _ in range(60):
            data = bytearray(before)
            data[draw.randrange(len(data))] = draw.randrange(256)
            path.write_bytes(data)
            assert read_checkpoint(folder) in (None, whole)
            if path.suffix != ".json":
                assert bytes(data) == before or read_checkpoint(folder) is None
        path.write_bytes(before)
    assert read_checkpoint(folder) == whole


def test_garbage_beside_checkpoints_is_passed_over(trial):
    write(trial, 1)
    (trial.checkpoints / name_of(2, 0)).write_text("a file")
    (trial.checkpoints / name_of(3, 0)).mkdir()
    (trial.checkpoints / "notes").mkdir()
    trial.best_checkpoint.mkdir()
    shutil.copytree(trial.checkpoints / name_of(1, 0), trial.checkpoints / name_of(4, 0))
    assert newest_sound(trial).num_reports == 1


def test_so_many_are_kept(trial):
    trial.best_checkpoint.mkdir(parents=True)
    for num_reports in range(5):
        write(trial, num_reports, keep_last=2)
    assert names(trial) == [name_of(3, 0), name_of(4, 0), "best"]


def test_a_later_one_that_training_did_not_go_on_from_goes(trial):
    for num_reports in (1, 2, 4):
        write(trial, num_reports)
    flip(trial.checkpoints / name_of(4, 0) / POSITION)
    write(trial, 3, keep_last=1)
    assert names(trial) == [name_of(3, 0)]


def test_the_same_moment_again_replaces_what_lies_there(trial):
    flip(write(trial, 1) / POSITION)
    write(trial, 1, again=True)
    assert newest_sound(trial).position["again"]
    assert names(trial) == [name_of(1, 0)]


def test_dropping_leaves_the_best_weights(trial):
    drop_checkpoints(trial)
    trial.best_checkpoint.mkdir(parents=True)
    write(trial, 1)
    write(trial, 2, ranks=[1])
    (trial.checkpoints / f".{name_of(3, 0)}.gone").mkdir()
    drop_checkpoints(trial)
    assert names(trial) == ["best"]


@pytest.mark.parametrize("end", [drop_checkpoints, lambda trial: discard(beside(trial, name_of(1, 0)))])
def test_who_still_writes_then_fails_and_leaves_nothing(trial, end):
    folder = begin(trial, name_of(1, 0))
    entry = write_file(folder, "state/weights", b"x")
    end(trial)
    with pytest.raises(FileNotFoundError):
        write_file(folder, "state/more", b"x")
    with pytest.raises(FileNotFoundError):
        write_manifest(folder, 0, 1, {"state/weights": entry})
    assert names(trial) == []


def test_a_write_that_completes_while_all_are_dropped_is_dropped_too(trial, monkeypatch):
    write(trial, 1, ranks=[0, 1][:1])
    hidden, visible = beside(trial, name_of(1, 0)), trial.checkpoints / name_of(1, 0)
    remove = checkpoints._remove

    def complete_first(path):
        if hidden.exists():
            hidden.rename(visible)
        return remove(path)

    monkeypatch.setattr(checkpoints, "_remove", complete_first)
    drop_checkpoints(trial)
    assert names(trial) == []


# --- taking over ---


def two_trials(tmp_path):
    return TrialPaths(tmp_path / "0"), TrialPaths(tmp_path / "1")


def test_a_checkpoint_is_taken_over_by_links_and_stays_sound(tmp_path):
    donor, receiver = two_trials(tmp_path)
    folder = write(donor, 2, 30, best=0.9)
    write(receiver, 1, 10, best=0.1)
    write(receiver, 2, 30, best=0.1)
    receiver.best_checkpoint.mkdir()
    for _ in range(2):
        take_over(donor, receiver, best=0.1)
        found = newest_sound(receiver)
        assert found.position == newest_sound(donor).position | {"best": 0.1}
        assert (found.num_reports, found.num_steps) == (2, 30)
        assert (found.folder / "state/weights_1").samefile(folder / "state/weights_1"), (
            "nothing is written twice"
        )
        assert names(receiver) == [name_of(2, 30), "best"]
    assert newest_sound(donor).position["best"] == 0.9


def test_a_broken_checkpoint_is_not_taken_over(tmp_path):
    donor, receiver = two_trials(tmp_path)
    write(donor, 1)
    flip(write(donor, 2) / "state/weights_1")
    take_over(donor, receiver, best=None)
    assert newest_sound(receiver).num_reports == 1
    assert newest_sound(receiver).position["best"] is None


def test_a_donor_that_trains_on_may_replace_its_checkpoint_meanwhile(tmp_path, monkeypatch):
    donor, receiver = two_trials(tmp_path)
    write(donor, 1)
    link = os.link

    def train_on(source, target):
        if newest_sound(donor).num_reports == 1:
            write(donor, 2, keep_last=1)
        link(source, target)

    monkeypatch.setattr("os.link", train_on)
    take_over(donor, receiver, best=None)
    assert newest_sound(receiver).num_reports == 2
    assert names(receiver) == [name_of(2, 0)]


def test_without_a_sound_checkpoint_nothing_can_be_taken_over(tmp_path):
    donor, receiver = two_trials(tmp_path)
    with pytest.raises(TunerError, match="holds none that is sound"):
        take_over(donor, receiver, best=None)
    flip(write(donor, 2) / POSITION)
    write(receiver, 1)
    with pytest.raises(TunerError, match="holds none that is sound"):
        take_over(donor, receiver, best=None)
    assert newest_sound(receiver).num_reports == 1


def test_a_file_system_without_links_copies(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    donor, receiver = two_trials(tmp_path)
    folder = write(donor, 1)
    take_over(donor, receiver, best=0.2)
    found = newest_sound(receiver).folder / "state/weights_0"
    assert found.read_bytes() == (folder / "state/weights_0").read_bytes()
    assert not found.samefile(folder / "state/weights_0")
