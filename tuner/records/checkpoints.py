"""The checkpoints of a trial as they lie on disk: their names, when one is sound, which of them stay.

trials/00000/checkpoints/
  best/                    the weights of the best report
  000003_0000000057/       after report 3, at optimizer step 57; sorts in the order of training
    position.json          where in its training the trial was, written by rank 0
    rank_<r>.json          the manifest of a rank: size and checksum of each of its files; written last
    ...                    what the ranks wrote
  .000003_0000000060.new/  being written, or left by a write that was cut

`begin`, `write_file` and `write_manifest` by each rank, `complete`: only then the checkpoint has its name.

The checksum is CRC-32: it must find what crashes and disks do to a file, not what an enemy does. zlib's takes
0.03 s for 200 MB, SHA-256 0.10 s, BLAKE2b 0.15 s, MD5 0.24 s (AMD EPYC, one core).
"""

import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import TunerError
from tuner.records.paths import POSITION, TrialPaths

CHUNK_BYTES = 2**24
GONE = ".gone"
"""Ends the names of what is being removed."""

Content = bytes | memoryview | Path
"""Of a file of a checkpoint: bytes in memory, or a file that is copied."""
Entry = dict[str, int]
"""What a manifest says of a file: `bytes` and `crc32`."""


@dataclass(frozen=True)
class Checkpoint:
    """One moment of a training."""

    folder: Path
    num_reports: int
    """Reports that had been handed out."""
    num_steps: int
    """Optimizer steps that had been made; 0 where they are not counted."""
    position: dict[str, Any]


def name_of(num_reports: int, num_steps: int) -> str:
    """The folder's name; names sort in the order of training."""
    return f"{num_reports:06d}_{num_steps:010d}"


def newest_sound(trial: TrialPaths) -> Checkpoint | None:
    """The newest checkpoint all of whose files are there, of their size and with their checksum."""
    return next(sound_checkpoints(trial), None)


def newest_place(trial: TrialPaths) -> tuple[int, int] | None:
    """Reports and steps of the newest checkpoint, by its name: nobody has looked whether it is sound."""
    names = _names(trial)
    return _place_of(names[-1]) if names else None


def sound_checkpoints(trial: TrialPaths) -> Iterator[Checkpoint]:
    """All sound checkpoints, the newest first; each is read in full when its turn comes."""
    for name in reversed(_names(trial)):
        found = read_checkpoint(trial.checkpoints / name)
        if found is not None:
            yield found


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint in `folder`; None when it is not sound, whatever lies there."""
    try:
        return _verified(folder)
    except Exception:  # A manifest that a disk has spoilt can hold anything, so anything may go wrong.
        return None


def take_over(donor: TrialPaths, receiver: TrialPaths, best: float | None) -> None:
    """The donor's newest sound checkpoint becomes the receiver's only one, by hard links.

    May be called again after it was cut. Events, log and the weights of the best report stay the receiver's.

    Args:
        best: the best value of the receiver, whose weights it has kept and goes on to compare with.

    Raises:
        TunerError: the donor has no sound checkpoint.
    """
    found, folder = _linked(donor, receiver)
    _replace_position(folder, found.position | {"best": best})
    complete(receiver, found.folder.name, keep_last=1)


def drop_checkpoints(trial: TrialPaths) -> None:
    """Removes all but the best weights; a write that is under way fails."""
    with suppress(OSError):  # What cannot be removed takes room and harms nobody.
        while not all([_remove(trial.checkpoints / name) for name in _all_but_best(trial)]):
            pass  # A write was just completed: now it has its name.


# --- writing -------------------------------------------------------------------------------------------


def begin(trial: TrialPaths, name: str) -> Path:
    """A new folder to write the checkpoint `name` to; what earlier writes left is removed."""
    for left in _all_but_best(trial):
        if left.startswith("."):
            _remove(trial.checkpoints / left)
    folder = beside(trial, name)
    folder.mkdir(parents=True)
    return folder


def beside(trial: TrialPaths, name: str) -> Path:
    """Where the checkpoint `name` is written before it has its name."""
    return trial.checkpoints / f".{name}.new"


def discard(folder: Path) -> None:
    """Removes it as far as that can be done; what still is written to it fails."""
    with suppress(OSError):
        _remove(folder)


def write_file(folder: Path, name: str, content: Content) -> Entry:
    """Writes and fsyncs one file of a checkpoint into `folder`, which must be there."""
    path = folder / name
    for parent in reversed(path.relative_to(folder).parents[:-1]):
        (folder / parent).mkdir(exist_ok=True)
    size = checksum = 0
    with path.open("xb") as file:
        for chunk in _chunks(content):
            file.write(chunk)
            size += len(chunk)
            checksum = zlib.crc32(chunk, checksum)
        file.flush()
        os.fsync(file.fileno())
    return {"bytes": size, "crc32": checksum}


def write_manifest(folder: Path, rank: int, num_ranks: int, files: Mapping[str, Entry]) -> None:
    """The last that a rank writes. `files`: by their path inside the checkpoint."""
    path = _manifest(folder, rank)
    unfinished = path.with_suffix(".new")
    # Not `atomic_write`, which would make the folder anew where it has just been removed.
    manifest = {"num_ranks": num_ranks, "files": dict(files)}
    write_file(folder, unfinished.name, json.dumps(manifest, indent=2).encode())
    unfinished.rename(path)


def is_written(folder: Path, num_ranks: int) -> bool:
    """Whether all ranks have written their manifests."""
    return all(_manifest(folder, rank).exists() for rank in range(num_ranks))


def complete(trial: TrialPaths, name: str, keep_last: int) -> None:
    """Gives a checkpoint that is written its name; then `keep_last` stay, and none that is later than it.

    A later one is what the training did not go on from: it was broken, or belonged to another trial's copy.
    """
    written, folder = beside(trial, name), trial.checkpoints / name
    for path in (written, *(path for path in written.rglob("*") if path.is_dir())):
        _fsync_folder(path)
    if folder.exists():
        _remove(folder)
    written.rename(folder)
    _fsync_folder(trial.checkpoints)
    until_it = [other for other in _names(trial) if other <= name]
    for other in set(_names(trial)).difference(until_it[-keep_last:]):
        discard(trial.checkpoints / other)


def _linked(donor: TrialPaths, receiver: TrialPaths) -> tuple[Checkpoint, Path]:
    """The donor's newest sound checkpoint, and where its files are linked to."""
    while (found := newest_sound(donor)) is not None:
        folder = begin(receiver, found.folder.name)
        try:
            shutil.copytree(found.folder, folder, copy_function=_link, dirs_exist_ok=True)
        except OSError:
            if found.folder.exists():
                raise
            # The donor trains on: a newer one took its place meanwhile.
        else:
            return found, folder
    raise TunerError(
        f"a trial is copied from a checkpoint, but {donor.checkpoints} holds none that is sound; "
        f"begin the experiment under another name."
    )


# --- details -------------------------------------------------------------------------------------------


def _names(trial: TrialPaths) -> list[str]:
    return sorted(name for name in _all_but_best(trial) if re.fullmatch(r"\d{6,}_\d{10,}", name))


def _place_of(name: str) -> tuple[int, int]:
    num_reports, num_steps = name.split("_")
    return int(num_reports), int(num_steps)


def _all_but_best(trial: TrialPaths) -> list[str]:
    if not trial.checkpoints.is_dir():
        return []
    return [name for name in os.listdir(trial.checkpoints) if name != trial.best_checkpoint.name]


def _manifest(folder: Path, rank: int) -> Path:
    return folder / f"rank_{rank}.json"


def _verified(folder: Path) -> Checkpoint:
    """Raises whatever is wrong with it."""
    num_ranks = json.loads(_manifest(folder, 0).read_text())["num_ranks"]
    for rank in range(num_ranks):
        manifest = json.loads(_manifest(folder, rank).read_text())
        if manifest["num_ranks"] != num_ranks or (rank == 0 and POSITION not in manifest["files"]):
            raise ValueError(folder)
        for name, entry in manifest["files"].items():
            _check(folder / name, entry)
    num_reports, num_steps = _place_of(folder.name)
    position = json.loads((folder / POSITION).read_text())
    if (position["num_reports"], position["num_ranks"]) != (num_reports, num_ranks):
        raise ValueError(folder)
    return Checkpoint(folder, num_reports, num_steps, position)


def _check(path: Path, entry: Entry) -> None:
    checksum = 0
    if path.stat().st_size == entry["bytes"]:
        for chunk in _chunks(path):
            checksum = zlib.crc32(chunk, checksum)
        if checksum == entry["crc32"]:
            return
    raise ValueError(path)


def _chunks(content: Content) -> Iterator[bytes | memoryview]:
    if isinstance(content, Path):
        with content.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    else:
        view = memoryview(content)
        yield from (view[start : start + CHUNK_BYTES] for start in range(0, len(view), CHUNK_BYTES))


def _replace_position(folder: Path, position: Mapping[str, Any]) -> None:
    """The links of position and manifest give way to files of the receiver's own."""
    (folder / POSITION).unlink()
    entry = write_file(folder, POSITION, json.dumps(position).encode())
    manifest = json.loads(_manifest(folder, 0).read_text())
    write_manifest(folder, 0, manifest["num_ranks"], manifest["files"] | {POSITION: entry})


def _remove(path: Path) -> bool:
    """Takes it out of sight in one step, whoever writes to it, and then away; False when it is not there."""
    hidden = path.with_name(f".{path.name.lstrip('.')}{GONE}")
    if path.name.endswith(GONE):
        hidden = path
    else:
        try:
            path.rename(hidden)
        except FileNotFoundError:
            return False
    if hidden.is_dir():
        shutil.rmtree(hidden, ignore_errors=True)
    else:
        hidden.unlink()
    return True


def _fsync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
    return target
