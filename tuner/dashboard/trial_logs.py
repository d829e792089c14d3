"""A trial's `log.txt`, part by part."""

import codecs
import os
from pathlib import Path
from typing import Any

LOG_BYTES = 1 << 16
"""Of one answer."""


def part_of(log: Path, offset: int | None) -> dict[str, Any]:
    """At most 64 KiB of a trial's log from `offset`, in bytes; None: its end. Whole characters only."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = max(0, size - LOG_BYTES) if offset is None else min(offset, size)
            file.seek(begin)
            content = file.read(LOG_BYTES)
    except OSError:  # It has printed nothing yet.
        size, begin, content = 0, 0, b""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(content)
    unread, _ = decoder.getstate()
    return {"text": text, "offset": begin, "next": begin + len(content) - len(unread), "size": size}
