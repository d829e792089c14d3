"""What the stores of one search have in common is made once, and changes no byte of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinds import SOURCES

from tuner.data import prepare, remove_stages
from tuner.data.pool import in_order
from tuner.data.sealed import is_sealed
from tuner.data.stages import Packed, Stage, Stages
from tuner.errors import DataError
from tuner.spec.sections import DataSpec

TABULAR = "tabular_classification"
WITHOUT = ("npz", "sklearn", "two_class")
"""Sources of which nothing is kept."""
CASES = [
    (name, task, form)
    for name, kind in SOURCES.items()
    for task in kind.shapes
    for form in ("one", *(["splits"] if kind.takes_splits else []))
]
STAGE = Stage[int]("number", ("split",), lambda number: Packed({}, number), lambda packed: packed.about)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def kept(folder: Path) -> dict[str, int]:
    """The stages beside the stores of `folder`, and the inode of each, another one when it is made again."""
    return {path.name: path.stat().st_ino for path in (folder / ".stages").glob("*")}


def with_another(data: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The section with another value of an option that its stage does not depend on, and the option."""
    if "text" in data:
        return {
            **data,
            "text": {**data["text"], "max_length": data["text"]["max_length"] + 1},
        }, "text.max_length"
    return {**data, "standardise": False}, "standardise"


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_stores_have_the_same_bytes_with_stages(case: tuple[str, str, str], tmp_path: Path) -> None:
    name, task, form = case
    kind = SOURCES[name]
    data = kind.in_one(tmp_path) if form == "one" else kind.in_splits(tmp_path)
    other, option = with_another(data)
    first, second = DataSpec.model_validate(data), DataSpec.model_validate(other)
    searched = [f"data.{option}", "model.width"]
    stages = []
    for spec in (first, second):
        plain = prepare(spec, task, tmp_path / "plain" / ".store").path
        store = prepare(spec, task, tmp_path / "kept" / ".store", searched=searched).path
        assert store.name == plain.name
        assert contents(store) == contents(plain)
        stages.append(kept(tmp_path / "kept"))
    assert stages[0] == stages[1]
    assert len(stages[0]) == (0 if kind.section["type"] in WITHOUT else 1)
    assert not kept(tmp_path / "plain")


class Counting:
    """`in_order`, which counts how often it is asked."""

    def __init__(self) -> None:
        self.num_calls = 0

    def __call__(self, function: Callable[[Any], Any], chunks: Sequence[Any]) -> Iterator[Any]:
        self.num_calls += 1
        return in_order(function, chunks)


@pytest.mark.parametrize(
    ("name", "task"),
    [("csv", TABULAR), ("image_folder", "image_classification"), ("text", "language_modelling")],
)
def test_a_second_value_reads_nothing_again(name: str, task: str, tmp_path: Path) -> None:
    data = SOURCES[name].in_one(tmp_path)
    other, option = with_another(data)
    counting = Counting()
    found = []
    for section in (data, other):
        spec = DataSpec.model_validate(section)
        prepare(spec, task, tmp_path / ".store", None, counting, [f"data.{option}"])
        found.append(counting.num_calls)
    assert found[0] > 0
    assert found[1] == found[0]


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    """With gaps in texts and labels, and with a value that is no number."""
    lines = [
        f"{row},{'' if row % 7 == 0 else 'abc'[row % 3]},{'yes' if row % 2 else 'no'}" for row in range(60)
    ]
    lines[3:5] = ["many,a,yes", "5,b,"]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["x,t,y", *lines]))
    clean = {"missing": "median", "invalid": "drop", "duplicates": "drop"}
    source = {"type": "csv", "path": str(path), "label": "y"}
    for seed in range(3):
        spec = DataSpec.model_validate({"source": source, "clean": clean, "split": {"seed": seed}})
        plain = prepare(spec, TABULAR, tmp_path / "plain" / ".store")
        store = prepare(spec, TABULAR, tmp_path / "kept" / ".store", searched=["data.split.seed"])
        assert contents(store.path) == contents(plain.path)
        assert store.manifest.dropped.keys() == {"value_invalid", "label_missing"}
    assert len(kept(tmp_path / "kept")) == 1


def with_broken_ones(name: str, folder: Path) -> dict[str, Any]:
    """The section `data` of files, one of them empty; the first recording has no label."""
    data = SOURCES[name].in_one(folder)
    files = sorted(path for path in Path(data["source"]["path"]).rglob("*") if path.is_file())
    if name == "audio":
        (files[0].parent / "0.wav").write_bytes(files[0].read_bytes())
    files[3].write_bytes(b"")
    return data


@pytest.mark.parametrize(
    ("name", "task", "reasons"),
    [
        ("audio", "audio_classification", {"label_missing", "file_empty"}),
        ("image_folder", "image_classification", {"image_invalid"}),
    ],
)
def test_broken_files_are_dropped_or_refused_as_without_stages(
    name: str, task: str, reasons: set[str], tmp_path: Path
) -> None:
    data = with_broken_ones(name, tmp_path)
    for seed in range(2):
        section = {**data, "split": {**data["split"], "seed": seed}, "clean": {"invalid": "drop"}}
        spec = DataSpec.model_validate(section)
        plain = prepare(spec, task, tmp_path / "plain" / ".store")
        store = prepare(spec, task, tmp_path / "kept" / ".store", searched=["data.split.seed"])
        assert contents(store.path) == contents(plain.path)
        assert store.manifest.dropped.keys() == reasons
    for unlabelled in tmp_path.rglob("0.wav"):
        unlabelled.unlink()
    for seed in range(2):
        spec = DataSpec.model_validate({**data, "split": {**data["split"], "seed": seed}})
        with pytest.raises(DataError) as plain_error:
            prepare(spec, task, tmp_path / "plain" / ".store")
        with pytest.raises(DataError) as error:
            prepare(spec, task, tmp_path / "kept" / ".store", searched=["data.split.seed"])
        assert str(error.value) == str(plain_error.value)


@pytest.mark.parametrize(
    ("searched", "expected"),
    [
        ([], False),
        (["train.lr", "database"], False),
        (["data.split.seed"], False),
        (["data.split"], False),
        (["data.source.a.path"], False),
        (["data.splitting"], True),
        (["data.standardise"], True),
        (["data.split.seed", "data.clean.missing"], True),
        (["data"], True),
    ],
)
def test_what_no_other_store_can_use_is_not_kept(searched: list[str], expected: bool, tmp_path: Path) -> None:
    stages = Stages(tmp_path / ".stages", searched, {"source": "s", "recipe": {}})
    assert stages.keeps(STAGE) == expected
    assert stages.get(STAGE, lambda: 3) == 3
    assert len(kept(tmp_path)) == expected


def stages_of(folder: Path, **recipe: Any) -> Stages:
    return Stages(folder / ".stages", ["data.standardise"], {"source": "s", "recipe": recipe})


def test_it_depends_on_its_options_and_on_no_other(tmp_path: Path) -> None:
    made = iter(range(9))
    for recipe, expected in [
        ({"split": 1}, 0),
        ({"split": 2}, 1),
        ({"split": 1, "standardise": True}, 0),
        ({}, 2),
        ({"split": 2, "clean": {}}, 1),
    ]:
        assert stages_of(tmp_path, **recipe).get(STAGE, lambda: next(made)) == expected


@pytest.mark.parametrize("file", ["about.json", "sha256sums"])
@pytest.mark.parametrize("content", [None, b"", b"4"])
def test_a_damaged_stage_is_made_anew(file: str, content: bytes | None, tmp_path: Path) -> None:
    stages = stages_of(tmp_path)
    assert stages.get(STAGE, lambda: 1) == 1
    (folder,) = (tmp_path / ".stages").iterdir()
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    assert stages.get(STAGE, lambda: 2) == 2
    assert stages.get(STAGE, lambda: 3) == 2


def test_a_disk_that_takes_no_stage_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".stages").write_text("no folder")
    assert stages_of(tmp_path).get(STAGE, lambda: 1) == 1


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        stages_of(tmp_path).get(STAGE, lambda: 1 // 0)
    assert not (tmp_path / ".stages").exists()


def prepare_and_die(spec: DataSpec, root: Path, moment: int) -> None:
    """Killed for good in front of the fsync of this number."""
    fsync, calls = os.fsync, 0

    def dying(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    os.fsync = dying
    prepare(spec, TABULAR, root, searched=["data.standardise"])


def test_whenever_it_is_killed_a_stage_is_whole_or_absent(tmp_path: Path) -> None:
    data = SOURCES["csv"].in_one(tmp_path)
    spec = DataSpec.model_validate(data)
    expected = contents(prepare(spec, TABULAR, tmp_path / "plain").path)
    context = multiprocessing.get_context("fork")
    num_torn = num_whole = 0
    for moment in range(1, 40):
        root = tmp_path / str(moment) / ".store"
        process = context.Process(target=prepare_and_die, args=(spec, root, moment))
        process.start()
        process.join()
        stages = list((tmp_path / str(moment) / ".stages").glob("*"))
        torn = [path for path in stages if path.name.startswith("tmp-")]
        assert all(is_sealed(path) for path in stages if path not in torn)
        num_torn += len(torn)
        num_whole += len(stages) - len(torn)
        again = prepare(spec, TABULAR, root, searched=["data.standardise"]).path
        assert contents(again) == expected
        assert not list(root.parent.glob(".stages/tmp-*"))
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert num_torn > 4
    assert num_whole > 4


def test_they_go_together(tmp_path: Path) -> None:
    spec = DataSpec.model_validate(SOURCES["csv"].in_one(tmp_path))
    store = prepare(spec, TABULAR, tmp_path / "results" / ".store", searched=["data.standardise"])
    assert kept(tmp_path / "results")
    remove_stages(store.path.parent)
    assert [path.name for path in (tmp_path / "results").iterdir()] == [".store"]
    assert list(store.path.parent.iterdir()) == [store.path]
    assert isinstance(store.split("train").features, np.memmap)
    remove_stages(tmp_path / "nothing" / ".store")
    assert not (tmp_path / "nothing").exists()
