"""Data sets as the Hugging Face Hub has them: which files, which splits, which classes; without the Hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from damage import spoil
from file_server import file_server
from pyarrow import parquet

from tuner.data import Store, fingerprint, prepare
from tuner.errors import DataError
from tuner.spec.sections import DataSpec

TABLE, TEXTS, RUNNING = "tabular_classification", "text_classification", "language_modelling"
WORDS = ("weak", "fine")


def table(num_rows: int, first: int = 0) -> pa.Table:
    """As `datasets` writes one with a column of texts, one of numbers and one of classes."""
    labels = [row % 2 for row in range(first, first + num_rows)]
    columns = {
        "text": [f"film {row} is {WORDS[label]}" for row, label in enumerate(labels, start=first)],
        "length": [float(row) for row in range(first, first + num_rows)],
        "label": labels,
    }
    features = {"text": {"_type": "Value"}, "label": {"names": list(WORDS), "_type": "ClassLabel"}}
    written = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.table(columns).replace_schema_metadata(written)


def save(folder: Path, files: Mapping[str, pa.Table]) -> Path:
    """Each table as its file's ending says."""
    for name, rows in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            parquet.write_table(rows, path)
        elif path.suffix == ".arrow":
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, rows.schema) as stream:
                stream.write_table(rows)
        elif path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))
        else:
            rows.to_pandas().to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return folder


def spec(folder: Path, **fields: Any) -> DataSpec:
    source = {"type": "huggingface", "name": str(folder), "label": "label"} | fields
    return DataSpec.model_validate({"source": source, "text": None})


def made(folder: Path, tmp_path: Path, task: str = TABLE, **fields: Any) -> Store:
    if task == TABLE:
        fields = {"drop": ["text"]} | fields
    return prepare(spec(folder, **fields), task, tmp_path / ".store")


SPLITS = {"train": "train", "val": "validation", "test": "test"}
LAYOUTS = {
    "shards": ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet",
               "data/validation-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"],
    "converted": ["default/train/0000.parquet", "default/train/0001.parquet",
                  "default/validation/0000.parquet", "default/test/0000.parquet"],
    "saved": ["train/data-00000-of-00002.arrow", "train/data-00001-of-00002.arrow",
              "validation/data-00000-of-00001.arrow", "test/data-00000-of-00001.arrow"],
    "csv": ["1-train.csv", "2-training.csv", "dev.csv", "eval_set.csv"],
    "tsv": ["train/1.tsv", "train/2.tsv", "val/1.tsv", "test/1.tsv"],
    "jsonl": ["train1.jsonl", "train2.jsonl", "valid.jsonl", "test.jsonl"],
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_files_and_splits_of_each_layout(layout: str, tmp_path: Path) -> None:
    sizes = (20, 10, 8, 6)
    files = {name: table(size, 100 * place) for place, (name, size) in
             enumerate(zip(LAYOUTS[layout], sizes, strict=True))}  # fmt: skip
    store = made(save(tmp_path / "set", files), tmp_path, splits=SPLITS)
    assert store.manifest.sizes == {"train": 30, "val": 8, "test": 6}
    has_names = layout in ("shards", "converted", "saved")
    assert store.manifest.class_names == (("fine", "weak") if has_names else ("0", "1"))
    assert store.manifest.feature_names == ("length",)
    x, _ = store.split("train")
    mean, std = np.array(store.manifest.mean), np.array(store.manifest.std)
    assert (x * std + mean)[[0, 20], 0].round().tolist() == [0, 100]


def test_what_else_lies_in_a_saved_folder(tmp_path: Path) -> None:
    files = {"data-00000-of-00001.arrow": table(20), "cache-0f.arrow": table(9), ".cache/train.csv": table(9)}
    folder = save(tmp_path / "set", files)
    (folder / "state.json").write_text("{}")
    assert sum(made(folder, tmp_path).manifest.sizes.values()) == 20


def test_one_split_is_cut(tmp_path: Path) -> None:
    folder = save(tmp_path / "set", {"train.parquet": table(40), "unlabelled-0-of-1.parquet": table(9)})
    assert made(folder, tmp_path, splits="train").manifest.sizes == {"train": 28, "val": 6, "test": 6}


def test_regression(tmp_path: Path) -> None:
    folder = save(tmp_path / "set", {"train.parquet": table(40)})
    store = made(folder, tmp_path, "regression", label="length", features=["label"])
    assert store.manifest.feature_names == ("label=fine", "label=weak")
    assert store.manifest.class_names is None


@pytest.mark.parametrize("name", ["parquet", "jsonl", "csv", "tsv"])
def test_labelled_texts(name: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "set", {f"train.{name}": table(20), f"test.{name}": table(6, 100)})
    splits = {"train": "train", "val": "test"}
    store = made(folder, tmp_path, TEXTS, text="text", splits=splits)
    assert store.manifest.class_names == (("fine", "weak") if name == "parquet" else ("0", "1"))
    assert store.manifest.sizes == {"train": 20, "val": 6, "test": 0}


def test_a_text_that_pandas_takes_for_missing(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.csv").write_text("text,label\n" + "None,1\nNA,2\n" * 20)
    assert sum(made(folder, tmp_path, TEXTS, text="text").manifest.sizes.values()) == 40


def test_running_texts(tmp_path: Path) -> None:
    lines = pa.table({"text": ["ab", "cd\n", None, ""] * 20})
    files = {f"{split}.parquet": lines for split in ("train", "validation", "test")}
    folder = save(tmp_path / "set", files)
    data = DataSpec.model_validate(
        {
            "source": {"type": "huggingface", "name": str(folder), "text": "text", "splits": SPLITS},
            "text": {"tokenizer": "character", "max_length": 8},
        }
    )
    store = prepare(data, RUNNING, tmp_path / ".store")
    assert len(set(store.manifest.sizes.values())) == 1
    from tuner.data import tokens

    x, _ = store.split("test")
    assert store.manifest.tokenizer is not None
    assert tokens.from_json(store.manifest.tokenizer).decode(x[0].tolist()) == "ab\ncd\n\na"


README = """---
license: mit
configs:
- config_name: small
  default: true
  data_files:
  - split: train
    path: some/s*.parquet
  - split: validation
    path: [some/dev.parquet]
- config_name: large
  data_files: "**/large.parquet"
- config_name: own
  data_dir: own
dataset_info: [{{{{ not read
---
# A data set
configs: none
"""


@pytest.mark.parametrize(
    ("subset", "fields", "sizes"),
    [
        (None, {"splits": {"train": "train", "val": "validation"}}, {"train": 20, "val": 9, "test": 0}),
        ("small", {"splits": {"train": "train", "val": "validation"}}, {"train": 20, "val": 9, "test": 0}),
        ("large", {}, {"train": 28, "val": 6, "test": 6}),
        ("own", {"splits": {"train": "train", "val": "test"}}, {"train": 12, "val": 8, "test": 0}),
    ],
)
def test_subsets_that_the_readme_names(
    subset: str | None, fields: dict[str, Any], sizes: dict[str, int], tmp_path: Path
) -> None:
    files = {
        "some/s.parquet": table(20),
        "some/dev.parquet": table(9),
        "large.parquet": table(40),
        "own/train.parquet": table(12),
        "own/test.parquet": table(8),
    }
    folder = save(tmp_path / "set", files)
    (folder / "README.md").write_text(README)
    assert made(folder, tmp_path, subset=subset, **fields).manifest.sizes == sizes


def test_a_subset_is_a_folder_where_no_readme_names_it(tmp_path: Path) -> None:
    folder = save(tmp_path / "set", {"a/train.parquet": table(20), "b/train.parquet": table(40)})
    assert sum(made(folder, tmp_path, subset="b").manifest.sizes.values()) == 40


def test_a_store_is_named_by_the_content(tmp_path: Path) -> None:
    one = save(tmp_path / "one", {"train.parquet": table(20)})
    other = save(tmp_path / "other", {"sub/anything.parquet": table(20)})
    changed = save(tmp_path / "changed", {"train.parquet": table(21)})
    names = [
        fingerprint(spec(one), TABLE),
        fingerprint(spec(other, subset="sub", splits="train"), TABLE),
        fingerprint(spec(changed), TABLE),
    ]
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(
    ("files", "fields", "message"),
    [
        (
            {"notes.txt": b""},
            {},
            r"files ending in \.parquet.* but .* has none; .*refs/convert/parquet",
        ),
        ({"a.parquet": table(9)}, {"subset": "b"}, "has none of subset b;"),
        ({"train.csv": table(9), "train.parquet": table(9)}, {}, r"of one kind, but .* has \.csv, \.parquet"),
        ({"train.csv": table(9), "test.csv": table(9)}, {}, "has test, train and found none; name them"),
        ({"train.csv": table(9)}, {"splits": "dev"}, "has no 'dev'; it has train"),
        ({"train.csv": b""}, {}, "is empty"),
        ({"train.parquet": b"PAR1"}, {}, "readable as Parquet"),
        ({"data-0-of-1.arrow": b"damaged"}, {}, "readable as an Arrow stream"),
        ({"train.csv": table(9)}, {"label": "lable"}, "has none of that name; did you mean 'label'"),
        (
            {"README.md": b"---\nconfigs: {a\n---\n"},
            {},
            "configs in the head of .* must name the files",
        ),
        (
            {"README.md": b"---\nconfigs:\n- 3\n---\n"},
            {},
            "configs in the head of .* must name the files",
        ),
        (
            {"README.md": b"---\nconfigs:\n- config_name: a\n- config_name: b\n---\n"},
            {},
            "subset must name a part of the data set, but found none; .* has a, b",
        ),
        (
            {"README.md": b"---\nconfigs:\n- config_name: a\n---\n"},
            {"subset": "c"},
            "must name a part of the data set, but found 'c'; .* has a",
        ),
        ({"README.md": b"---\nconfigs:\n- {config_name: a, data_files: ../../*.csv}\n---\n"}, {}, "has none"),
        (
            {"train.parquet": table(9).replace_schema_metadata({"huggingface": "{}"})},
            {},
            "names of classes must be as datasets writes them",
        ),
    ],
)
def test_what_is_no_data_set(
    files: dict[str, Any], fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    save(folder, {name: rows for name, rows in files.items() if isinstance(rows, pa.Table)})
    for name, content in files.items():
        if isinstance(content, bytes):
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    (tmp_path / "outside.csv").write_text("label\n1\n")
    with pytest.raises(DataError, match=message):
        made(folder, tmp_path, **fields)


@pytest.mark.parametrize("name", ["data-00000-of-00001.arrow", "README.md"])
def test_damaged_files(name: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "set", {"data-00000-of-00001.arrow": table(20)})
    (folder / "README.md").write_text("---\nconfigs:\n- {config_name: all, data_files: '*.arrow'}\n---\n")
    for _ in spoil(folder / name):
        with suppress(DataError):
            made(folder, tmp_path)
            made(folder, tmp_path, TEXTS, text="text")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a data set must be a folder, but at .* nothing is there"):
        made(tmp_path / "none", tmp_path)


def test_rows_that_nobody_has_labelled(tmp_path: Path) -> None:
    rows = table(9)
    rows = rows.set_column(2, "label", pa.array([*[0, 1] * 4, -1]))
    metadata = table(9).schema.metadata
    folder = save(tmp_path / "set", {"test.parquet": rows.replace_schema_metadata(metadata)})
    with pytest.raises(
        DataError, match=r"a label, but row 9 of .*test.parquet \(the first one is 1\) has none"
    ):
        made(folder, tmp_path, TEXTS, text="text")
    with pytest.raises(DataError, match="label"):
        made(folder, tmp_path)


def test_a_name_on_the_hub_without_a_network(tmp_path: Path) -> None:
    sentence = r"on the Hugging Face Hub, but some/set cannot be had from there \(it is not in the cache"
    with pytest.raises(DataError, match=sentence):
        made(Path("some/set"), tmp_path)


COMMIT = "0123456789" * 4
FETCHING = """
import json
from pathlib import Path
from tuner.data import prepare
from tuner.hub import hub_folder
from tuner.spec.sections import DataSpec

source = {"type": "huggingface", "name": "some/set", "subset": "a", "label": "label", "drop": ["text"]}
data = DataSpec.model_validate({"source": source})
versions = {}
for _ in ("not known", "known"):
    store = prepare(data, "tabular_classification", Path(".store"), versions)
    print(json.dumps([store.path.name, versions]))
hub_folder("some/set", ["a/*"], kind="dataset")
"""


def test_what_is_on_the_hub_is_fetched_once(tmp_path: Path) -> None:
    folder = save(tmp_path / "set", {"a/train.parquet": table(20), "b/train.parquet": table(20)})
    (folder / "README.md").write_text("# A data set\n")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    tree = [{"type": "file", "path": name, "size": len(files[name]), "oid": name} for name in files]
    own = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    name = fingerprint(spec(folder, subset="a", drop=["text"]), TABLE)
    expected = [name, {"hf://datasets/some/set@main": COMMIT}]

    with file_server() as server:
        server.headers = {"X-Repo-Commit": COMMIT}
        place = f"/datasets/some/set/resolve/{COMMIT}"
        server.files = {f"{place}/{name}": files[name] for name in files}
        server.files[f"/api/datasets/some/set/tree/{COMMIT}"] = json.dumps(tree).encode()
        commit = {"id": "some/set", "sha": COMMIT}
        server.files["/api/datasets/some/set/revision/main"] = json.dumps(commit).encode()
        command = [sys.executable, "-c", FETCHING]
        environment = os.environ | own | {"HF_ENDPOINT": server.address}
        ran = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=200
        )
        assert [json.loads(line) for line in ran.stdout.splitlines()] == [expected] * 2, ran.stderr
        assert [server.num_fetched(f"{place}/{name}/train.parquet") for name in ("a", "b")] == [1, 0]
        assert len(server.requests) == len(set(server.requests)), "what is known was asked for"

    ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=200)
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [expected] * 2, ran.stderr
