"""Data sets as the Hugging Face Hub has them: folders of Parquet, CSV, JSON lines or Arrow files, in splits.

Which files are of which split says `configs` in the head of README.md, and without that the names of files
and folders: data/train-00000-of-00002.parquet, test.csv, plain_text/validation/0000.parquet. Classes that are
stored as numbers get their names, which the library `datasets` writes into the files. The files are read as
those of any other table: `datasets` would first write all rows to a cache of its own, and rows only pass
through here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tuner.data.origins import Origins
from tuner.data.pool import MapChunks, in_order
from tuner.data.sources import parquet_file, text_files
from tuner.data.sources.files import check_file, content_sha256
from tuner.data.sources.table_files import (
    Piece,
    TableFile,
    Wanted,
    as_table,
    pieces_of,
    read_file,
    texts_of,
)
from tuner.data.table import AnyArray, Table
from tuner.errors import DataError, ExperimentError
from tuner.hub import hub_failure, hub_folder
from tuner.spec.reading import read_text
from tuner.spec.sections import HuggingFaceSource

_README = "README.md"
_KINDS = {".parquet": "parquet", ".arrow": "parquet", ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl"}
_SUFFIXES = tuple(_KINDS)
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_CONFIGS = re.compile(r"^configs:.*\n(?:[ -].*\n|\n)*", re.MULTILINE)
_SHARD = re.compile(r"([\w.]+)-\d+-of-\d+")
_WORDS = {
    word: split
    for split, words in {
        "train": ("train", "training"),
        "validation": ("validation", "valid", "val", "dev"),
        "test": ("test", "testing", "eval", "evaluation"),
    }.items()
    for word in words
}

_Splits = Mapping[str, Sequence[Path]]


class _Config(NamedTuple):
    """A subset, as README.md names it."""

    name: str
    folder: str
    patterns: Mapping[str, Sequence[str]] | None
    """Of each split's files; None: the names of files and folders say their split."""
    is_default: bool


def located(source: HuggingFaceSource, versions: MutableMapping[str, str]) -> HuggingFaceSource:
    """`source` with a folder of this machine; what is on the Hub is fetched to its cache.

    Args:
        versions: the commits of what is on the Hub. What is in it is not asked for again, the rest is added.

    Raises:
        DataError: it cannot be had.
    """
    if Path(source.name).is_absolute():
        return source
    address = f"hf://datasets/{source.name}@{source.revision or 'main'}"
    known = versions.get(address)
    try:
        folder = _hub_folder(source, [_README], known or source.revision, is_news=known is None)
        folder = _hub_folder(source, _patterns(folder, source.subset), folder.name)
    except DataError:
        raise
    except Exception as error:
        # Offline, not found and not allowed are of many types, of the libraries below too.
        raise DataError(
            f"data.source.name must be a folder (which begins with ./) or a data set on the Hugging Face "
            f"Hub, but {source.name} cannot be had from there ({hub_failure(error)}); correct it, or give a "
            f"folder"
        ) from error
    versions[address] = folder.name
    return source.model_copy(update={"name": str(folder), "revision": None})


def identity(source: HuggingFaceSource) -> list[list[str | None]]:
    """Split and content of each file; neither where it is nor what it is called."""
    return [[split, content_sha256(path)] for split, path in _files(source)]


def read(
    source: HuggingFaceSource,
    *,
    zeros: Callable[..., AnyArray] = np.zeros,
    map_chunks: MapChunks = in_order,
) -> Table:
    """Rows of a table; texts with labels where the source names a column of texts, and else running text.

    Tables take the options of `table_files.read`; texts are read whole.
    """
    files = _files(source)
    if source.text is not None:
        return _read_texts(files, source.text, source.label)
    assert source.label is not None, source
    suffix = files[0][1].suffix
    return as_table(
        pieces_of(files, _KINDS[suffix], _DELIMITERS.get(suffix)),
        _read_piece,
        Wanted(source.label, source.features, source.drop or []),
        zeros=zeros,
        map_chunks=map_chunks,
    )


def _read_texts(files: Sequence[tuple[str | None, Path]], text: str, label: str | None) -> Table:
    tables = [_text_file(path) for _, path in files]
    texts = np.concatenate([texts_of(file, text) for file in tables])
    sizes = [len(file.frame) for file in tables]
    splits = [str(split) for split, _ in files]
    parts = None if files[0][0] is None else np.repeat(splits, sizes)
    if label is None:
        return Table(_lines(texts), np.zeros(len(texts), dtype=np.int64), parts=parts)
    labels = np.concatenate([texts_of(file, label) for file in tables])
    origins = Origins.of_files([str(file.path) for file in tables], sizes)
    return Table(texts, labels, parts=parts, origins=origins)


def _hub_folder(
    source: HuggingFaceSource, patterns: Sequence[str], revision: str | None, *, is_news: bool = False
) -> Path:
    return hub_folder(source.name, patterns, kind="dataset", revision=revision, is_news=is_news)


def _patterns(folder: Path, subset: str | None) -> list[str]:
    """Of the files that hold `subset`."""
    config = _config(folder, subset)
    if config.patterns is None:
        return [f"{config.folder}*{suffix}" for suffix in _SUFFIXES]
    return [_fnmatch(pattern) for patterns in config.patterns.values() for pattern in patterns]


def _files(source: HuggingFaceSource) -> list[tuple[str | None, Path]]:
    """Each file with our name of its split, or None where `data.split` decides; in the order of reading."""
    found = _splits(Path(source.name), source.subset)
    listed = ", ".join(found)
    if source.splits is None and len(found) > 1:
        raise DataError(
            f"data.source.splits must say which rows are train, val and test where a data set has splits, "
            f"but {source.name} has {listed} and found none; name them, or one that data.split cuts"
        )
    wanted: dict[Any, str] = {None: next(iter(found))}
    if isinstance(source.splits, str):
        wanted = {None: source.splits}
    elif source.splits is not None:
        wanted = source.splits.model_dump(exclude_none=True)
    for name in wanted.values():
        if name not in found:
            raise DataError(
                f"data.source.splits must name splits of the data set, but {source.name} has no '{name}'; "
                f"it has {listed}"
            )
    files = [(part, path) for part, name in wanted.items() for path in found[name]]
    for _, path in files:
        check_file(path)
    return files


def _splits(folder: Path, subset: str | None) -> _Splits:
    """Their names of the splits, with the files of each; DataError where there are none."""
    if not folder.is_dir():
        there = "a file is there" if folder.exists() else "nothing is there"
        raise DataError(f"a data set must be a folder, but at {folder} {there}; correct data.source.name")
    config = _config(folder, subset)
    names = [
        name
        for path in sorted(folder.rglob("*"))
        if _is_data(name := path.relative_to(folder)) and path.is_file()
    ]
    found: dict[str, list[Path]] = {}
    for split, name in _assigned(names, config):
        found.setdefault(split, []).append(folder / name)
    kinds = {path.suffix for paths in found.values() for path in paths}
    if len(kinds) > 1:
        raise DataError(
            f"the files of a data set must be of one kind, but {folder} has {', '.join(sorted(kinds))}; name "
            f"one with data.source.subset, or make a folder of one kind"
        )
    if not found:
        raise DataError(
            f"a data set must have files ending in {', '.join(_SUFFIXES)}, but {folder} has none"
            f"{f' of subset {subset}' if subset else ''}; of one on the Hub take the revision "
            f"refs/convert/parquet"
        )
    return found


def _assigned(names: Sequence[Path], config: _Config) -> Iterator[tuple[str, Path]]:
    """Split and name of each file of the subset."""
    if config.patterns is None:
        for name in names:
            if name.as_posix().startswith(config.folder):
                yield _split_of(PurePosixPath(name.as_posix().removeprefix(config.folder))), name
        return
    for split, patterns in config.patterns.items():
        for name in names:
            if any(fnmatchcase(name.as_posix(), _fnmatch(pattern)) for pattern in patterns):
                yield split, name


def _is_data(name: Path) -> bool:
    """`datasets` keeps what it computed beside the Arrow files of a data set."""
    is_hidden = any(part.startswith(".") for part in name.parts)
    is_computed = name.suffix == ".arrow" and not name.name.startswith("data")
    return name.suffix in _SUFFIXES and not is_hidden and not is_computed


def _split_of(name: PurePosixPath) -> str:
    """By the name of a file, as seen from the folder of its subset."""
    if name.suffix == ".arrow":
        return name.parent.name or "train"
    shard = _SHARD.match(name.name)
    if shard:
        return shard[1]
    for part in (name.stem, *reversed(name.parent.parts)):
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in _WORDS:
                return _WORDS[word]
    return "train"


def _config(folder: Path, subset: str | None) -> _Config:
    """The subset, or the only or usual one; one whose name is that of a folder where README.md names none."""
    configs = _configs(folder / _README)
    if not configs:
        return _Config(subset or "", f"{subset}/" if subset else "", None, True)
    chosen = [config for config in configs if config.name == subset]
    if subset is None:
        chosen = configs if len(configs) == 1 else [config for config in configs if config.is_default]
    if not chosen:
        found = f"found '{subset}'" if subset else "found none"
        raise DataError(
            f"data.source.subset must name a part of the data set, but {found}; {folder} has "
            f"{', '.join(config.name for config in configs)}"
        )
    return chosen[0]


def _configs(readme: Path) -> list[_Config]:
    """Only `configs` of the head is read: what else stands there has no bounds."""
    if not readme.is_file():
        return []
    try:
        head = readme.read_text(encoding="utf-8").partition("---\n")[2].partition("\n---")[0] + "\n"
        found = _CONFIGS.search(head)
        tree = read_text(found[0], lambda mark: readme.name)[0] if found else {"configs": []}
        return [_as_config(config) for config in tree["configs"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ExperimentError) as error:
        raise DataError(
            f"configs in the head of {readme} must name the files of each split, but it cannot be read "
            f"({type(error).__name__}); correct it, or remove that file"
        ) from error


def _as_config(config: Mapping[str, Any]) -> _Config:
    files, folder = config.get("data_files"), config.get("data_dir")
    if isinstance(files, str) or (isinstance(files, list) and not isinstance(files[0], dict)):
        files = {"train": files}
    elif isinstance(files, list):
        files = {entry["split"]: entry["path"] for entry in files}
    if files is not None:
        files = {split: [path] if isinstance(path, str) else list(path) for split, path in files.items()}
    name = str(config["config_name"])
    is_default = config.get("default") is True or name == "default"
    return _Config(name, f"{folder.strip('./')}/" if folder else "", files, is_default)


def _fnmatch(pattern: str) -> str:
    """In such patterns, as in those of the Hub, `*` goes over `/` too."""
    return pattern.removeprefix("./").replace("**/", "*")


def _read_piece(piece: Piece, text: Collection[str]) -> TableFile:
    path, part = piece.path, piece.part
    kind = _KINDS[path.suffix]
    if kind != "parquet":
        return read_file(path, kind, _DELIMITERS.get(path.suffix), text=text, part=part)
    table = parquet_file.read_table(path, part)
    names = _class_names(table, path)
    frame = parquet_file.to_frame(table, path, may_be_empty=part is not None)
    frame = frame.assign(**{name: _named(frame[name], names[name]) for name in names})
    return TableFile(path, frame, first_row=0 if part is None else part.first_row)


def _text_file(path: Path) -> TableFile:
    """In CSV all is text here, also what pandas would take for a missing value."""
    if path.suffix in _DELIMITERS:
        return TableFile(path, text_files.read_frame(path, None, _DELIMITERS[path.suffix]))
    return _read_piece(Piece(0, None, path, None), ())


def _class_names(table: Any, path: Path) -> dict[str, list[str]]:
    """Of the columns that hold the places of classes in a list of names."""
    written = (table.schema.metadata or {}).get(b"huggingface")
    if written is None:
        return {}
    try:
        features = json.loads(written)["info"]["features"]
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict)
            and feature.get("_type") == "ClassLabel"
            and column in table.column_names
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"the names of classes must be as datasets writes them, but those in {path} cannot be read "
            f"({type(error).__name__}); save the file again"
        ) from error


def _named(places: pd.Series, names: Sequence[str]) -> pd.Series:
    """The names of the classes; None where there is none: rows that nobody has labelled have -1."""
    return places.map(dict(enumerate(names))).astype(object)


def _lines(texts: AnyArray) -> AnyArray:
    """Each as a line of a running text; one that is missing as nothing."""
    lines = ["" if text is None else text if text.endswith("\n") else f"{text}\n" for text in texts]
    return np.array(lines, dtype=object)
