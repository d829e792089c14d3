"""What a function of one's own keeps in its trial's folder: into a checkpoint, and back from one."""

import os
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tuner.records.checkpoints import Checkpoint, Content

RECORDS = (
    "params.json",
    "log.txt",
    "events.out.tfevents.*",
    "checkpoints",
    ".lock",
    ".heartbeat",
    ".stacks_*",
)
"""What lies in the folder besides and is never the function's."""
KEPT = "kept"


def kept_files(root: Path) -> dict[str, Content]:
    """Each file, by its path inside the checkpoint."""
    return {f"{KEPT}/{path.relative_to(root)}": path for path in _walk(root) if _is_file(path)}


def kept_tree(root: Path) -> dict[str, Any]:
    """Folders, and symbolic links with where they lead: what `kept_files` leaves out."""
    paths = _walk(root)
    return {
        "folders": [str(path.relative_to(root)) for path in paths if path.is_dir() and not path.is_symlink()],
        "links": {str(path.relative_to(root)): os.readlink(path) for path in paths if path.is_symlink()},
    }


def put_back(root: Path, checkpoint: Checkpoint) -> None:
    """Afterwards the function's part of the folder holds what it held when the checkpoint was written."""
    for path in _tops(root):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name in checkpoint.position["folders"]:
        (root / name).mkdir()
    kept = checkpoint.folder / KEPT
    for path in kept.rglob("*"):
        if path.is_file():
            # Not linked: the function may write into its files.
            shutil.copyfile(path, root / path.relative_to(kept))
    for name, target in checkpoint.position["links"].items():
        (root / name).symlink_to(target)


def _tops(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if not any(fnmatch(path.name, one) for one in RECORDS))


def _walk(root: Path) -> list[Path]:
    """All paths, parents first; links are not followed."""
    found: list[Path] = []
    waiting = _tops(root)
    while waiting:
        path = waiting.pop(0)
        found.append(path)
        if path.is_dir() and not path.is_symlink():
            waiting.extend(sorted(path.iterdir()))
    return found


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
