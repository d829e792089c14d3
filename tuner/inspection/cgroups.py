"""How much memory the control groups of this process may take."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath


def cgroup_limits(
    groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
) -> list[int]:
    """In bytes: of version 1 and 2, of the group and of those that it is in; none where there is no limit."""
    limits = []
    for file in _files(groups, mounted):
        with suppress(OSError, ValueError):  # It is not there, or says "max".
            limits.append(int(file.read_text()))
    return limits


def _files(groups: Path, mounted: Path) -> Iterator[Path]:
    try:
        lines = groups.read_text().splitlines()
    except OSError:  # Not Linux.
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, name = mounted, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = mounted / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        for each in (group, *group.parents):
            yield root / each / name
