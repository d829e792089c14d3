"""Files as a crash, a full disk or a stranger leaves them."""

import random
from collections.abc import Iterator
from pathlib import Path

GARBAGE = (
    b"",
    b"\0" * 64,
    b"\xff\xfe\xfa garbage \x80\n",
    b"null\n",
    b"3\n[1]\n",
    b'{"a": 1}\n',
    b"[" * 50_000,
    b"a,b\n1,2\n",
    bytes(range(256)) * 8,
)


def damaged(content: bytes, count: int = 8, seed: int = 0) -> Iterator[bytes]:
    """Garbage in its place; cut at random places; with random bytes changed, put in, or taken out."""
    yield from GARBAGE
    draw = random.Random(seed)
    for _ in range(count):
        position = draw.randrange(len(content))
        yield content[:position]
        yield content[:position] + draw.randbytes(1) + content[position + 1 :]
        yield content[:position] + draw.randbytes(3) + content[position:]
        yield content[:position] + content[position + draw.randint(1, 9) :]


def spoil(path: Path) -> Iterator[str]:
    """Puts one damage after the other in the place of the file; names what it did. Then all is as it was."""
    content = path.read_bytes()
    for number, other in enumerate(damaged(content)):
        path.write_bytes(other)
        yield f"damage {number}"
    path.unlink(missing_ok=True)
    yield "missing"
    path.unlink(missing_ok=True)
    path.mkdir()
    yield "a folder"
    if path.is_dir():
        path.rmdir()
    path.write_bytes(content)
