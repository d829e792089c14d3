"""Curves that were read before, as one parquet file beside the logs. Reading gives the same without it.

A file of events counts as read when size and time of change are those that were noted; everything else is
read anew. Where the folder cannot be written to, nothing is kept.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tuner.records.event_reader import Points, Tags, concatenate
from tuner.records.files import atomic_file
from tuner.results.curves import CurveFile

NAME = ".curves.parquet"
_VERSION, _NOTES = 1, b"tuner"
_COLUMNS = ("tag", "step", "wall_time", "value")
_FEW_FILES, _FEW_POINTS = 200, 200_000
"""Read faster than it is worth to keep them."""


def restore(root: Path, files: Iterable[CurveFile], tags: Tags) -> list[CurveFile]:
    """Gives the files what is kept of them, and returns the others. `tags` is empty before."""
    files = list(files)
    try:
        table = pq.read_table(root / NAME)
        notes = json.loads(table.schema.metadata[_NOTES])
        points = Points(*(table[name].to_numpy() for name in _COLUMNS))
        if notes["version"] != _VERSION or not (points.tag < len(notes["tags"])).all():
            return files
        ends = np.cumsum([0, *(each["points"] for each in notes["files"])]).tolist()
        noted = {each["path"]: (each, slice(*ends[k : k + 2])) for k, each in enumerate(notes["files"])}
        is_given = [_give(file, noted.get(_name(file, root)), points) for file in files]
    except Exception:
        # Whatever is wrong with it or its absence, the event files hold the same.
        for file in files:
            file.forget()
        return files
    tags.update({name: number for number, name in enumerate(notes["tags"])})
    return [file for file, is_there in zip(files, is_given, strict=True) if not is_there]


def keep(root: Path, files: Sequence[CurveFile], read: Sequence[CurveFile], tags: Tags) -> None:
    """Writes what the files hold, unless only few of them had to be read, those in `read`."""
    if len(read) < _FEW_FILES and sum(len(file.points) for file in read) < _FEW_POINTS:
        return
    points = concatenate([file.points for file in files])
    notes = {"version": _VERSION, "tags": list(tags), "files": [_note(file, root) for file in files]}
    table = pa.table({name: getattr(points, name) for name in _COLUMNS})
    table = table.replace_schema_metadata({_NOTES: json.dumps(notes)})
    with suppress(OSError), atomic_file(root / NAME) as file:
        pq.write_table(table, file)
    pa.default_memory_pool().release_unused()  # It keeps as much as all points take.


def _note(file: CurveFile, root: Path) -> dict[str, Any]:
    sizes = {"size": file.size, "changed_ns": file.changed_ns, "offset": file.offset}
    sessions = [said.hex() for said in file.sessions]
    return {"path": _name(file, root), "points": len(file.points), "sessions": sessions, **sizes}


def _give(file: CurveFile, noted: tuple[dict[str, Any], slice] | None, points: Points) -> bool:
    if noted is None:
        return False
    note, where = noted
    if (file.size, file.changed_ns) != (note["size"], note["changed_ns"]):
        return False
    file.offset, file.points = note["offset"], points.at(where)
    file.sessions = [bytes.fromhex(said) for said in note["sessions"]]
    return True


def _name(file: CurveFile, root: Path) -> str:
    return str(file.path).removeprefix(f"{root}/")
