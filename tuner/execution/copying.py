"""What a trial takes over from another one that is paused: the state of its training, never its records.

Events, log and the weights of the best report stay the receiver's own. A checkpoint is taken over by hard
links, whatever its size: its files are never written in place. What a function of one's own kept may be, so
that is copied.
"""

import json
import os
import shutil
from pathlib import Path

from tuner.records.files import atomic_write_json
from tuner.records.paths import POSITION, TrialPaths

_RECORDS = ("params.json", "log.txt", "events.out.tfevents.*")


def take_over_checkpoint(donor: TrialPaths, receiver: TrialPaths, best: float | None) -> None:
    """The donor's last checkpoint becomes the receiver's.

    `best`: the best value of the receiver, whose weights it has kept and goes on to compare with.
    """
    beside = receiver.last_checkpoint.with_name(receiver.last_checkpoint.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(donor.last_checkpoint, beside, copy_function=_link)
    position = beside / POSITION
    atomic_write_json(position, json.loads(position.read_text()) | {"best": best})
    shutil.rmtree(receiver.last_checkpoint, ignore_errors=True)
    beside.rename(receiver.last_checkpoint)


def take_over_files(donor: TrialPaths, receiver: TrialPaths) -> None:
    """What the donor's function kept in its folder replaces what the receiver's kept under the same names."""
    shutil.copytree(donor.root, receiver.root, ignore=shutil.ignore_patterns(*_RECORDS), dirs_exist_ok=True)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
    return str(Path(target))
