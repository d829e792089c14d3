"""What people say of trials: a text and tags each, kept in the experiment's folder.

    write_note(paths.notes, 3, Note("diverges late", ("odd",)))
    read_notes(paths.notes)[3].tags

`notes.jsonl` has a line for each change, of which the last about a trial counts. No search needs to run, and
none looks at it.
"""

import json
import os
import re
import time
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import StorageError, UsageError
from tuner.records.files import ends_whole, read_lines
from tuner.spec.domains import is_whole

MOST_CHARACTERS, MOST_TAGS, MOST_TAG_CHARACTERS = 10_000, 20, 40


@dataclass(frozen=True)
class Note:
    """Raises UsageError where text or tags are none."""

    text: str = ""
    tags: tuple[str, ...] = ()
    """Words, each once."""

    def __post_init__(self) -> None:
        if not _is_text(self.text) or len(self.text) > MOST_CHARACTERS:
            raise UsageError(
                f"a note has at most {MOST_CHARACTERS} characters of text, none of them a control character; "
                f"found another one ({len(self.text)} characters); write it shorter or without them"
            )
        wrong = [tag for tag in self.tags if not _is_tag(tag)]
        if wrong:
            raise UsageError(
                f"a tag is a word of at most {MOST_TAG_CHARACTERS} characters without space or comma; "
                f"found {wrong[0]!r}; write another one, or several"
            )
        if len(self.tags) > MOST_TAGS:
            raise UsageError(f"a trial has at most {MOST_TAGS} tags; found {len(self.tags)}; leave some out")

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> "Note":
        """From `{"text": ..., "tags": [...]}`; raises UsageError where it is not of this form."""
        text, tags = tree.get("text"), tree.get("tags")
        if not isinstance(text, str) or not isinstance(tags, list) or not all(map(_is_str, tags)):
            raise UsageError("a note has a text and a list of tags; found something else; give both")
        return cls(text, tuple(dict.fromkeys(tags)))


def write_note(path: Path, trial: int, note: Note) -> None:
    """Notes it about the trial, instead of what was noted before; on the disk when it returns.

    Raises StorageError where the disk does not take it.
    """
    line = {"time_s": time.time(), "trial": trial, "text": note.text, "tags": note.tags}
    try:
        with path.open("ab+") as file:
            # A torn line stands by itself then, and harms no other.
            file.write(b"" if ends_whole(file.fileno()) else b"\n")
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(
            f"notes are kept in {path}, but it cannot be written ({error}); set that right"
        ) from error


def read_notes(path: Path) -> dict[int, Note]:
    """Trial to its note, also one that was emptied; lines that are no notes are left out."""
    notes: dict[int, Note] = {}
    for line in read_lines(path):
        with suppress(UsageError):
            if is_whole(line.get("trial")):
                notes[line["trial"]] = Note.of(line)
    return notes


def _is_str(value: object) -> bool:
    return isinstance(value, str)


def _is_text(text: str) -> bool:
    return all(unicodedata.category(each) not in ("Cc", "Cs") or each in "\n\t" for each in text)


def _is_tag(tag: str) -> bool:
    return _is_text(tag) and re.fullmatch(rf"[^\s,]{{1,{MOST_TAG_CHARACTERS}}}", tag) is not None
