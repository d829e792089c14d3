"""Writing that a crash cannot tear, and reading that tolerates what one left.

`atomic_write` is seen whole or not at all; a line that is appended may be cut by a crash or a full disk, and
`read_lines` leaves it out.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any


def atomic_write(path: Path, content: str | bytes) -> None:
    """The file holds the content; see `atomic_file`."""
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """What the block writes goes to a temporary name beside `path`, is fsynced, and renamed.
    Makes the folder if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def atomic_write_json(path: Path, content: Any) -> None:
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file that has one a line, without torn lines; none when there is no file."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            # A torn line lacks its closing brace, so it is no JSON object; nothing else can stand there.
            with suppress(ValueError, RecursionError):
                content = json.loads(line)
                if isinstance(content, dict):
                    yield content


def ends_whole(descriptor: int) -> bool:
    """Whether the last line of a file that has one object a line is not torn."""
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
