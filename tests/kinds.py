"""One small example of every kind of source, model and task that an experiment can name.

The contract suites (`test_*_contract.py`) take the kinds from `tuner.tasks.RULES`, and hold each to
what all promise. A new kind needs an entry here (SOURCES, TASKS, MODELS), or they fail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pandas as pd
from audio_recordings import PATTERN, RATE, SPEAKERS, tone, write_wav
from PIL import Image
from pretrained_models import (
    SPECIAL,
    WORDS,
    save_bert,
    save_convnext,
    save_gpt2,
    save_hearing,
    save_resnet,
    save_vit,
)
from pydantic import TypeAdapter

from tuner.spec import checking
from tuner.spec.sections import ModelSpec, Source
from tuner.tasks import RULES


def _tasks_by(part: Literal["sources", "models"]) -> dict[str, list[str]]:
    """The tasks for which each of these is."""
    tasks: dict[str, list[str]] = {}
    for task, rules in RULES.items():
        for name in getattr(rules, part):
            tasks.setdefault(name, []).append(task)
    return tasks


SOURCE_TASKS, MODEL_TASKS = _tasks_by("sources"), _tasks_by("models")
LOSSES = {task: rules.losses for task, rules in RULES.items()}
"""What the product knows: name of a source (of scikit-learn's that of the set), type of a model, task."""


def _by_type(union: Any) -> dict[str, Any]:
    """The sections of a union by their type."""
    return {get_args(each.model_fields["type"].annotation)[0]: each for each in get_args(get_args(union)[0])}


SOURCE_TYPES, MODEL_TYPES = _by_type(Source), _by_type(ModelSpec)


# --- sources: 40 rows each, in one file or folder, or in one for each split ---------------------------------

SIZES = {"train": 24, "val": 8, "test": 8}
CLASSES = ("0", "1", "2")
SENTENCES = ("a fine film", "a dull film , and cold", "it was a warm and lovely film")


@dataclass(frozen=True, kw_only=True)
class SourceKind:
    """A source as `data.source` names it."""

    section: Mapping[str, Any]
    """without its path, or the name of its folder"""
    shapes: Mapping[str, tuple[int, ...]]
    """task -> shape of a row in the store"""
    data: Mapping[str, Any] = field(default_factory=dict)
    """further sections of `data`"""
    name: str | None = None
    """of the file or folder; None: it reads none"""
    write: Callable[[Path, range], None] = lambda path, rows: None
    """these of its rows to a file or folder"""
    takes_splits: bool = False
    takes_several: bool = False
    """whether a list or pattern of files is as one of all their rows"""
    sides: tuple[str, ...] = ()
    """keys of the files that hold its rows side by side; (): a row is in one file"""

    @property
    def key(self) -> str:
        """Where the section has the file or folder."""
        return "name" if self.section["type"] == "huggingface" else "path"

    def in_one(self, folder: Path) -> dict[str, Any]:
        """Writes all rows in one; the section `data`."""
        if self.name is None:
            return {**self.data, "source": dict(self.section)}
        self.write(folder / self.name, range(sum(SIZES.values())))
        source = {**self.section, self.key: self._written(folder / self.name)}
        split = {name: size / sum(SIZES.values()) for name, size in SIZES.items()}
        return {**self.data, "source": source, "split": split}

    def in_splits(self, folder: Path) -> dict[str, Any]:
        """Writes one for each split, where it takes such; the section `data`."""
        if not self.takes_splits:
            return self.in_one(folder)
        path, start = {}, 0
        for split, size in SIZES.items():
            self.write(folder / f"{split}_{self.name}", range(start, start + size))
            path[split] = self._written(folder / f"{split}_{self.name}")
            start += size
        return {**self.data, "source": {**self.section, "path": path}}

    def in_several(self, folder: Path) -> dict[str, Any]:
        """As `in_one`, but in three files that `path` lists; a pattern finds them in the same order."""
        data = self.in_one(folder)
        assert self.name is not None
        files = [folder / f"{number}_several_{self.name}" for number in range(3)]
        for number, file in enumerate(files):
            self.write(file, range(number * 14, min(number * 14 + 14, sum(SIZES.values()))))
        return {**data, "source": {**data["source"], "path": [str(file) for file in files]}}

    def _written(self, path: Path) -> Any:
        """What the section has of what was written there."""
        return {side: str(_side_of(path, side)) for side in self.sides} or str(path)


def _side_of(path: Path, side: str) -> Path:
    return path.with_name(f"{side}_{path.name}")


def _class(row: int) -> int:
    return row % len(CLASSES)


def _cells(row: int) -> dict[str, Any]:
    """Numbers, text, a flag, and what is to be told: a class and a number in one."""
    draw = np.random.default_rng(row)
    size = round(float(draw.normal(_class(row), 0.3)), 3)
    return {"size": size, "colour": ("red", "green")[row // 3 % 2], "old": row % 5 == 0, "y": _class(row)}


def _write_table(path: Path, rows: range) -> None:
    frame = pd.DataFrame([_cells(row) for row in rows])
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(_cells(row)) + "\n" for row in rows))
    else:
        frame.to_csv(path, index=False, sep=";")


def _picture(row: int) -> np.ndarray:
    """8 x 9 grey pixels, brighter from class to class."""
    draw = np.random.default_rng(row)
    return (draw.integers(0, 60, (8, 9)) + 80 * _class(row)).astype(np.uint8)


def _write_npz(path: Path, rows: range) -> None:
    labels = np.array([_class(row) for row in rows])
    np.savez_compressed(path, x=np.stack([_picture(row) for row in rows]), y=labels)


def _write_pictures(path: Path, rows: range) -> None:
    for row in rows:
        (path / CLASSES[_class(row)]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(_picture(row)).save(path / CLASSES[_class(row)] / f"{row:02}.png")


def _write_recordings(path: Path, rows: range) -> None:
    for row in rows:
        name = f"{CLASSES[_class(row)]}_{SPEAKERS[row % 4]}_{row}.wav"
        write_wav(path / name, tone(300.0 * (1 + 2 * _class(row)), seconds=0.06, seed=row))


def _write_sentences(path: Path, rows: range) -> None:
    lines = [f"{CLASSES[_class(row)]}\t{SENTENCES[_class(row)]} {row}\n" for row in rows]
    path.write_text("label\ttext\n" + "".join(lines))


def _translated(row: int) -> dict[str, str]:
    text = f"{SENTENCES[_class(row)]} {row}"
    return {"source": text, "target": text.upper()}


def _write_translations(path: Path, rows: range) -> None:
    pd.DataFrame([_translated(row) for row in rows]).to_csv(path, index=False, sep="\t")


def _write_sides(path: Path, rows: range) -> None:
    for side in ("source", "target"):
        _side_of(path, side).write_text("".join(f"{_translated(row)[side]}\n" for row in rows))


def _write_dataset(path: Path, rows: range) -> None:
    """Tables as the Hugging Face Hub has them, with a column of texts."""
    path.mkdir(exist_ok=True)
    half = len(rows) // 2
    for number, part in enumerate((rows[:half], rows[half:])):
        cells = [_cells(row) | {"words": f"{SENTENCES[_class(row)]} {row} ."} for row in part]
        pd.DataFrame(cells).to_parquet(path / f"train-0000{number}-of-00002.parquet")


def _write_book(path: Path, rows: range) -> None:
    path.write_text(
        "".join(f"the {SENTENCES[row % 3][2:]} was {row % 10} .\n" for row in rows for _ in range(3))
    )


_OF_TABLE: dict[str, Any] = {
    "shapes": {"tabular_classification": (4,), "regression": (4,)},
    "write": _write_table,
    "takes_splits": True,
    "takes_several": True,
}
_TEXT = {"tokenizer": "byte", "max_length": 16}
_AUDIO = {"sample_rate": RATE, "mels": 8, "window_ms": 16.0, "hop_ms": 5.0, "max_seconds": 0.06}
_TABULAR = "tabular_classification"

SOURCES: dict[str, SourceKind] = {
    "digits": SourceKind(
        section={"type": "sklearn", "name": "digits"},
        shapes={"image_classification": (1, 8, 8), _TABULAR: (64,)},
    ),
    "iris": SourceKind(section={"type": "sklearn", "name": "iris"}, shapes={_TABULAR: (4,)}),
    "wine": SourceKind(section={"type": "sklearn", "name": "wine"}, shapes={_TABULAR: (13,)}),
    "breast_cancer": SourceKind(
        section={"type": "sklearn", "name": "breast_cancer"}, shapes={_TABULAR: (30,)}
    ),
    "diabetes": SourceKind(section={"type": "sklearn", "name": "diabetes"}, shapes={"regression": (10,)}),
    "csv": SourceKind(section={"type": "csv", "label": "y", "delimiter": ";"}, name="rows.csv", **_OF_TABLE),
    "jsonl": SourceKind(section={"type": "jsonl", "label": "y"}, name="rows.jsonl", **_OF_TABLE),
    "parquet": SourceKind(section={"type": "parquet", "label": "y"}, name="rows.parquet", **_OF_TABLE),
    "npz": SourceKind(
        section={"type": "npz"},
        name="rows.npz",
        write=_write_npz,
        takes_splits=True,
        takes_several=True,
        shapes={"image_classification": (1, 8, 9), _TABULAR: (72,), "regression": (72,)},
    ),
    "two_class": SourceKind(
        section={"type": "two_class", "samples": 40, "features": 3}, shapes={_TABULAR: (3,)}
    ),
    "labelled_text": SourceKind(
        section={"type": "labelled_text"},
        name="rows.tsv",
        write=_write_sentences,
        takes_splits=True,
        takes_several=True,
        data={"text": _TEXT},
        shapes={"text_classification": (16,)},
    ),
    "text": SourceKind(
        section={"type": "text"},
        name="book.txt",
        write=_write_book,
        takes_splits=True,
        takes_several=True,
        data={"text": _TEXT},
        shapes={"language_modelling": (16,)},
    ),
    "parallel_table": SourceKind(
        section={"type": "parallel_table"},
        name="rows.tsv",
        write=_write_translations,
        takes_splits=True,
        takes_several=True,
        data={"text": _TEXT},
        shapes={"translation": (16,)},
    ),
    "parallel_text": SourceKind(
        section={"type": "parallel_text"},
        name="rows.txt",
        write=_write_sides,
        takes_splits=True,
        sides=("source", "target"),
        data={"text": _TEXT},
        shapes={"translation": (16,)},
    ),
    "image_folder": SourceKind(
        section={"type": "image_folder"},
        name="pictures",
        write=_write_pictures,
        takes_splits=True,
        data={"image": {"mode": "grey"}},
        shapes={"image_classification": (1, 8, 9)},
    ),
    "audio": SourceKind(
        section={"type": "audio", "pattern": PATTERN},
        name="recordings",
        write=_write_recordings,
        takes_splits=True,
        data={"audio": _AUDIO},
        shapes={"audio_classification": (1, 8, 9)},
    ),
    "huggingface": SourceKind(
        section={"type": "huggingface", "label": "y", "drop": ["words"]},
        name="dataset",
        write=_write_dataset,
        shapes=_OF_TABLE["shapes"],
    ),
    "huggingface with text": SourceKind(
        section={"type": "huggingface", "text": "words"},
        name="dataset",
        write=_write_dataset,
        data={"text": _TEXT},
        shapes={"language_modelling": (16,)},
    ),
    "huggingface with text and label": SourceKind(
        section={"type": "huggingface", "text": "words", "label": "y"},
        name="dataset",
        write=_write_dataset,
        data={"text": _TEXT},
        shapes={"text_classification": (16,)},
    ),
}


# --- tasks: rows as a store has them ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TaskKind:
    """Rows of a task without their files; says of the data what a manifest says."""

    source: str
    """whose rows are trained on, of SOURCES"""
    input_shape: tuple[int, ...]
    class_names: tuple[str, ...] | None = CLASSES
    num_tokens: int | None = None
    padding: int | None = None
    target_mean: float | None = None
    target_std: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    target_tokens: float | None = None
    """of a number of rows that its length divides"""
    separator: int | None = None
    is_teacher_forced: bool = False
    """whether the network reads the tokens before each target too, [rows, 2, length]"""

    @property
    def tells_tokens(self) -> bool:
        return self.class_names is None and self.target_mean is None

    def rows(self, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Features and targets, with nothing to learn but by heart."""
        draw = np.random.default_rng(0)
        shape = (num_rows, *self.input_shape)
        if self.num_tokens is None:
            x: np.ndarray = draw.normal(size=shape).astype(np.float32)
        else:
            x = draw.integers(1, self.num_tokens, shape).astype(np.int32)
        if self.padding is not None:
            lengths = np.arange(num_rows) % self.input_shape[0] + 1
            x[np.arange(self.input_shape[0]) >= lengths[:, None]] = self.padding
        return x, self._targets(x, draw)

    def large(self) -> TaskKind:
        """With images of 32 x 32 pixels."""
        return replace(self, input_shape=(1, 32, 32))

    def _targets(self, x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        if self.class_names is not None:
            return draw.integers(0, len(self.class_names), len(x))
        if self.target_mean is not None:
            return draw.normal(self.target_mean, self.target_std, len(x)).astype(np.float32)
        assert self.num_tokens is not None
        # Each token says which one follows, or stands for it.
        if self.padding is None:
            return (x * 3 + 1) % self.num_tokens
        return np.where(x == self.padding, x, x * 3 % (self.num_tokens - 1) + 1)


@dataclass(frozen=True)
class AsTheyAre:
    """A `tuner.tasks.base.Preparation` of rows as a store has them; the text of tokens is their numbers."""

    kind: TaskKind

    @property
    def max_length(self) -> int:
        return self.kind.input_shape[-1]

    @property
    def padding(self) -> int:
        return self.kind.padding or 0

    @property
    def unknown(self) -> None:
        return None

    def rows(self, raw: np.ndarray) -> np.ndarray:
        return raw

    def encode(self, text: Any) -> list[int]:
        tokens: list[int] = text.tolist()
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        return " ".join(map(str, tokens))


NUM_WORDS = len(SPECIAL) + len(WORDS)
TASKS: dict[str, TaskKind] = {
    "image_classification": TaskKind(
        source="image_folder", input_shape=(1, 8, 9), mean=(120.0,), std=(60.0,)
    ),
    "tabular_classification": TaskKind(source="csv", input_shape=(5,)),
    "regression": TaskKind(source="csv", input_shape=(5,), class_names=None, target_mean=1e4, target_std=3.0),
    "text_classification": TaskKind(
        source="labelled_text", input_shape=(8,), num_tokens=NUM_WORDS, padding=0
    ),
    "language_modelling": TaskKind(source="text", input_shape=(8,), class_names=None, num_tokens=NUM_WORDS),
    "audio_classification": TaskKind(source="audio", input_shape=(1, 8, 9)),
    "translation": TaskKind(
        source="parallel_table",
        input_shape=(8,),
        class_names=None,
        num_tokens=NUM_WORDS,
        padding=0,
        target_tokens=4.5,
        is_teacher_forced=True,
    ),
}


_WAVES = {"features": "waves", "sample_rate": RATE, "max_seconds": 0.06}
"""`data.audio` of the recordings that a pretrained model hears."""


def task_kind(task: str, model: Mapping[str, Any]) -> TaskKind:
    """Rows of a task as `model` gets them."""
    if task == "audio_classification" and model["type"] == "pretrained":
        return replace(TASKS[task], input_shape=(480,))
    return TASKS[task]


def source_data(data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """The section `data` of a source for `model`, which has its own tokenizer, or hears waves."""
    if model["type"] != "pretrained":
        return dict(data)
    text = {"tokenizer": {"type": "pretrained", "name": model["name"]}, "max_length": 8}
    return {
        **data,
        **({"text": text} if "text" in data else {}),
        **({"audio": _WAVES} if "audio" in data else {}),
    }


# --- models: some of each type, which have all its options between them -------------------------------------

_RNN = {"type": "rnn", "width": 12, "embedding": 8}
_TRANSFORMER = {"type": "transformer", "width": 16, "depth": 1, "heads": 2}
_ENCODER_DECODER = {"type": "encoder_decoder", "width": 16, "depth": 1, "heads": 2}
_DECODER = _TRANSFORMER | {"kind": "decoder"}
_RESNET = {"type": "resnet", "depth": 10, "channels": 4, "normalisation": "group"}

MODELS: dict[str, list[dict[str, Any]]] = {
    "mlp": [
        {"type": "mlp", "width": 16, "depth": 1},
        {"type": "mlp", "activation": "gelu", "normalisation": "batch"},
        {"type": "mlp", "activation": "tanh", "normalisation": "layer", "width": 12, "depth": 4},
        {"type": "mlp", "activation": "silu"},
        {"type": "mlp", "activation": "leaky_relu"},
    ],
    "cnn": [
        {"type": "cnn", "channels": 4, "depth": 1},
        {"type": "cnn", "activation": "gelu", "normalisation": "batch", "channels": 12, "depth": 3},
        {"type": "cnn", "activation": "tanh", "normalisation": "group", "channels": 12, "depth": 4},
        {"type": "cnn", "activation": "silu", "channels": 12, "kernel_size": 5},
        {"type": "cnn", "activation": "leaky_relu", "channels": 12},
    ],
    "resnet": [
        _RESNET,
        _RESNET | {"depth": 18, "normalisation": "batch", "checkpointing": True},
        _RESNET | {"depth": 34, "normalisation": "batch"},
        _RESNET | {"depth": 50, "stem": "large", "channels": 8},
    ],
    "rnn": [
        _RNN | {"cell": "gru"},
        _RNN | {"cell": "rnn", "pooling": "last", "depth": 2},
        _RNN | {"cell": "lstm", "pooling": "max", "depth": 2},
        _RNN | {"cell": "gru", "bidirectional": True},
    ],
    "transformer": [
        _DECODER,
        _DECODER | {"tie_embeddings": True, "positions": "rotary", "activation": "relu", "depth": 2},
        _DECODER | {"activation": "tanh", "positions": "sinusoidal"},
        _TRANSFORMER | {"activation": "silu", "positions": "rotary", "checkpointing": True, "depth": 2},
        _TRANSFORMER | {"activation": "leaky_relu", "feedforward": 2, "heads": 1},
    ],
    "encoder_decoder": [
        _ENCODER_DECODER,
        _ENCODER_DECODER | {"tie_embeddings": True, "positions": "rotary", "activation": "relu", "depth": 2},
        _ENCODER_DECODER | {"activation": "tanh", "positions": "sinusoidal"},
        _ENCODER_DECODER | {"activation": "silu", "positions": "rotary", "checkpointing": True, "depth": 2},
        _ENCODER_DECODER | {"activation": "leaky_relu", "feedforward": 2, "heads": 1},
    ],
    "pretrained": [
        {"type": "pretrained", "name": "./gpt2"},
        {"type": "pretrained", "name": "./bert", "tuning": {"type": "frozen", "layers": 1}},
        {"type": "pretrained", "name": "./bert", "tuning": "lora"},
        {"type": "pretrained", "name": "./vit"},
        {"type": "pretrained", "name": "./vit", "tuning": "lora"},
        {"type": "pretrained", "name": "./resnet"},
        {"type": "pretrained", "name": "./convnext", "tuning": {"type": "frozen", "layers": 1}},
        {"type": "pretrained", "name": "./wav2vec2"},
        {"type": "pretrained", "name": "./wav2vec2", "tuning": "lora"},
    ],
}
_SAVED: dict[str, tuple[Callable[..., Path], list[str]]] = {
    "./gpt2": (save_gpt2, ["text_classification", "language_modelling"]),
    "./bert": (save_bert, ["text_classification"]),
    "./vit": (save_vit, ["image_classification"]),
    "./resnet": (save_resnet, ["image_classification"]),
    "./convnext": (save_convnext, ["image_classification"]),
    "./wav2vec2": (save_hearing, ["audio_classification"]),
}
"""Of each pretrained model by its name: what makes it, and its tasks."""


def tasks_of(section: Mapping[str, Any]) -> list[str]:
    """Those that the checks of an experiment let a model with these options have."""
    spec = model_spec(section)
    found = [task for task in MODEL_TASKS[section["type"]] if not list(checking._check_model(task, spec))]
    return _SAVED[section["name"]][1] if section["type"] == "pretrained" else found


def examples_of(model: str) -> list[tuple[dict[str, Any], str]]:
    """Each task of `model`, with its first example that has the task."""
    return [
        (next(section for section in MODELS[model] if task in tasks_of(section)), task)
        for task in MODEL_TASKS[model]
    ]


def model_spec(section: Mapping[str, Any]) -> Any:
    return TypeAdapter(ModelSpec).validate_python(dict(section))


def model_section(section: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """`section` with the pretrained model that it names, which is made in `folder` where it is not there."""
    if section["type"] != "pretrained":
        return dict(section)
    path = folder / section["name"]
    if not path.exists():
        _SAVED[section["name"]][0](path)
    return {**section, "name": str(path.resolve())}


def options_of(model: str) -> Iterator[tuple[str, Any]]:
    """Each value that a field of the model with a choice can have."""
    for name, info in MODEL_TYPES[model].model_fields.items():
        annotation = info.annotation
        if annotation is bool:
            yield from ((name, value) for value in (False, True))
        elif get_origin(annotation) is Literal:
            yield from ((name, value) for value in get_args(annotation))
