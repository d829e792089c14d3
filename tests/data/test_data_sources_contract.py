"""What every source promises to the store and to `tuner predict`, over all of them (`tests/kinds.py`)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from damage import damaged
from kinds import SIZES, SOURCE_TASKS, SOURCE_TYPES, SOURCES

from tuner.data import Manifest, Store, fingerprint, prepare, preprocess, read_inputs, sources
from tuner.data.pixels import Pixels
from tuner.errors import DataError
from tuner.spec.sections import DataSpec
from tuner.tasks import RULES

Case = tuple[str, str, str]
"""Source, task, and the form of its path: one for all rows, or one for each split."""

IN_FILES = [name for name, kind in SOURCES.items() if kind.name is not None]
CASES: list[Case] = [
    (name, task, form)
    for name, kind in SOURCES.items()
    for task in kind.shapes
    for form in ("one", *(["splits"] if kind.takes_splits else []))
]

PREPARE_ALL = """
import json, sys
from pathlib import Path
from tuner.data import prepare
from tuner.spec.sections import DataSpec
for data, task in json.loads(sys.argv[1]):
    prepare(DataSpec.model_validate(data), task, Path(sys.argv[2]))
"""


def test_every_source_has_an_example() -> None:
    tasks = {name: set(kind.shapes) for name, kind in SOURCES.items()}
    assert tasks == {name: set(tasks) for name, tasks in SOURCE_TASKS.items()}, "see tests/kinds.py"
    types = {kind.section["type"] for kind in SOURCES.values()}
    assert types == SOURCE_TYPES.keys() == sources._READERS.keys()
    with_path = {name for name, section in SOURCE_TYPES.items() if "path" in section.model_fields}
    assert {SOURCES[name].section["type"] for name in IN_FILES} == {*with_path, "huggingface"}


def spec_of(name: str, folder: Path, form: str = "one") -> DataSpec:
    kind = SOURCES[name]
    folder.mkdir(parents=True, exist_ok=True)
    return DataSpec.model_validate((kind.in_one if form == "one" else kind.in_splits)(folder))


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], DataSpec]:
    """By name and form."""
    root = tmp_path_factory.mktemp("sources")
    return {(name, form): spec_of(name, root / form / name, form) for name, _, form in CASES}


@pytest.fixture(scope="module")
def roots(specs: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """All cases prepared by this process, and by another one with other hashes and more threads."""
    root = tmp_path_factory.mktemp("stores")
    for name, task, form in CASES:
        prepare(specs[name, form], task, root / "here")
    sections = [(specs[name, form].model_dump(mode="json"), task) for name, task, form in CASES]
    arguments = [sys.executable, "-c", PREPARE_ALL, json.dumps(sections), str(root / "there")]
    others = {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"}
    subprocess.run(arguments, env=os.environ | others, check=True)
    return root / "here", root / "there"


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def store(case: Case, specs: Any, roots: tuple[Path, Path]) -> Store:
    name, task, form = case
    return prepare(specs[name, form], task, roots[0])


def test_splits_have_the_shapes_and_types_of_their_task(case: Case, store: Store) -> None:
    name, task, form = case
    manifest, rules = store.manifest, RULES[task]
    assert (manifest.task, manifest.input_shape) == (task, SOURCES[name].shapes[task])
    assert Store.open(store.path).manifest == Manifest.from_json(manifest.to_json()) == manifest
    assert store.path.name == manifest.sha256
    if form == "splits" and task != "language_modelling":  # whose rows are stretches of the text
        assert manifest.sizes == SIZES
    labels = set()
    for split, size in manifest.sizes.items():
        x, y = store.split(split)
        assert (x.shape, y.shape[0]) == ((size, *manifest.input_shape), size)
        assert x.dtype == (np.int32 if rules.reads_texts else np.float32)
        assert isinstance(x, Pixels) or (isinstance(x, np.memmap) and not x.flags.writeable)
        rows = x[0:size]
        assert rows.flags.c_contiguous
        assert np.isfinite(rows).all()
        labels |= set(y.ravel().tolist())
        if rules.targets == "tokens":
            assert (y.dtype, y.shape) == (np.int32, x.shape)
        else:
            assert (y.dtype, y.ndim) == (np.float32 if rules.targets == "values" else np.int64, 1)
    if manifest.class_names is not None:
        assert labels == set(range(len(manifest.class_names)))
    assert (manifest.num_tokens is None) == (not rules.reads_texts)
    assert (manifest.class_names is None) == (rules.targets != "classes")
    assert (manifest.target_std is None) == (rules.targets != "values")


def test_another_process_prepares_the_same_bytes(store: Store, roots: tuple[Path, Path]) -> None:
    again = roots[1] / store.path.name
    assert {file.name: file.read_bytes() for file in again.iterdir()} == {
        file.name: file.read_bytes() for file in store.path.iterdir()
    }


def test_new_rows_become_what_they_are_in_training(
    case: Case, store: Store, specs: Any, tmp_path: Path
) -> None:
    """The training rows as a user has them, read by `tuner predict`."""
    name, task, form = case
    for split, path in new_data(specs[name, form], tmp_path).items():
        rows = preprocess(read_inputs(path, store.manifest), store.manifest)
        stored = [store.split(each) for each in ([split] if split else store.manifest.sizes)]
        assert rows.shape[1:] == store.manifest.input_shape
        assert rows.dtype == stored[0].features.dtype
        if task != "language_modelling":  # which goes on with a text, and is trained on stretches of one
            expected = np.concatenate([x[0 : len(x)] for x, _ in stored])
            assert sorted(row.tobytes() for row in rows) == sorted(row.tobytes() for row in expected)


def new_data(spec: DataSpec, folder: Path) -> dict[str, Path]:
    """By split, or all under ''; what a source without files has is saved as an array."""
    if spec.source.type == "huggingface":
        joined = pd.concat(map(pd.read_parquet, sorted(Path(spec.source.name).iterdir())))
        joined.to_csv(folder / "new.csv", index=False)
        return {"": folder / "new.csv"}
    path = getattr(spec.source, "path", None)
    if path is not None:
        parts = dict(path) if hasattr(path, "train") else {"": path}
        return {split: Path(getattr(each, "source", each)) for split, each in parts.items()}
    np.save(folder / "new.npy", sources.read(spec.source).features)
    return {"": folder / "new.npy"}


def test_no_two_stores_have_one_name(specs: Any) -> None:
    names = {fingerprint(specs[name, form], task) for name, task, form in CASES}
    assert len(names) == len(CASES)


@pytest.mark.parametrize("form", ["one", "splits"])
@pytest.mark.parametrize("name", IN_FILES)
def test_the_content_names_the_store_and_the_place_does_not(name: str, form: str, tmp_path: Path) -> None:
    task = SOURCE_TASKS[name][0]
    spec, moved = spec_of(name, tmp_path / "here", form), spec_of(name, tmp_path / "it's moved", form)
    first = fingerprint(spec, task)
    assert fingerprint(moved, task) == first
    file = files_of(spec)[-1]
    content = file.read_bytes()
    others = content[:-1] + bytes([content[-1] ^ 1])
    file.write_bytes(others)
    assert fingerprint(spec, task) != first
    file.write_bytes(content)
    assert fingerprint(spec, task) == first


@pytest.mark.parametrize("name", [name for name, kind in SOURCES.items() if kind.takes_several])
def test_several_files_are_as_one_of_all_their_rows(name: str, tmp_path: Path) -> None:
    kind, task = SOURCES[name], SOURCE_TASKS[name][0]
    listed = kind.in_several(tmp_path)
    pattern = {**listed, "source": {**listed["source"], "path": str(tmp_path / f"*_several_{kind.name}")}}
    one, several, found = (
        prepare(DataSpec.model_validate(data), task, tmp_path / "store")
        for data in (kind.in_one(tmp_path), listed, pattern)
    )
    assert one.path != several.path == found.path
    assert arrays_of(one) == arrays_of(several)
    first, *others = listed["source"]["path"]
    splits = {**listed, "source": {**listed["source"], "path": {"train": others, "val": first}}}
    del splits["split"]
    if task != "language_modelling":
        made = prepare(DataSpec.model_validate(splits), task, tmp_path / "store")
        assert made.manifest.sizes == {"train": 26, "val": 14, "test": 0}


def arrays_of(store: Store) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store.path.glob("*.npy")}


def places_of(spec: DataSpec) -> list[Path]:
    path = spec.source.name if spec.source.type == "huggingface" else spec.source.path
    return [Path(each) for each in _leaves(path if isinstance(path, str) else path.model_dump())]


def _leaves(tree: Any) -> list[str]:
    return [leaf for each in tree.values() for leaf in _leaves(each)] if isinstance(tree, dict) else [tree]


def files_of(spec: DataSpec) -> list[Path]:
    return [
        file
        for place in places_of(spec)
        for file in ([place] if place.is_file() else sorted(f for f in place.rglob("*") if f.is_file()))
    ]


def is_missing(spec: DataSpec) -> Path:
    return _without(places_of(spec)[-1])


def is_of_the_other_kind(spec: DataSpec) -> Path:
    """A folder where a file is read, a file where a folder is."""
    place = places_of(spec)[-1]
    was_folder = place.is_dir()
    _without(place)
    place.write_text("no folder") if was_folder else place.mkdir()
    return place


def is_empty(spec: DataSpec) -> Path:
    """A file, or all of a folder."""
    place = places_of(spec)[-1]
    was_folder = place.is_dir()
    _without(place)
    place.mkdir() if was_folder else place.touch()
    return place


def has_an_empty_file(spec: DataSpec) -> Path:
    files_of(spec)[-1].write_bytes(b"")
    return files_of(spec)[-1]


def has_a_file_of_something_else(spec: DataSpec) -> Path:
    files_of(spec)[-1].write_bytes(bytes(range(256)) * 8)
    return files_of(spec)[-1]


def _without(place: Path) -> Path:
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    return place


FAULTS = {
    is_missing: "nothing is there",
    is_of_the_other_kind: "(folder|file) is there|does not",
    is_empty: "is empty|has none",
    has_an_empty_file: "is empty|is not: ",
    has_a_file_of_something_else: "is not: ",
}


@pytest.mark.parametrize("form", ["one", "splits"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("name", IN_FILES)
def test_a_file_that_cannot_be_read_is_named_in_one_sentence(
    name: str, fault: Callable[[DataSpec], Path], form: str, tmp_path: Path
) -> None:
    spec = spec_of(name, tmp_path / "files", form)
    path = re.escape(str(fault(spec)))
    with pytest.raises(DataError) as raised:
        prepare(spec, SOURCE_TASKS[name][0], tmp_path / "store")
    assert re.fullmatch(rf".* must .*, but .*{path}.*({FAULTS[fault]}).*; .*", str(raised.value))
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", IN_FILES)
def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    spec = spec_of(name, tmp_path / "files")
    file = files_of(spec)[0]
    for content in damaged(file.read_bytes(), count=8):
        file.write_bytes(content)
        with suppress(DataError):
            prepare(spec, SOURCE_TASKS[name][0], tmp_path / "store")
        assert not list(tmp_path.glob("store/tmp-*"))
