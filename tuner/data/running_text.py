"""Running text as rows of tokens, for language modelling.

The text is cut into stretches of `max_length` tokens that follow one another; the target of each token is the
next one, so nothing is padded and each token but the first is predicted once. The splits of one running text
are its beginning, middle and end: shuffled stretches would let the model see what surrounds those that it is
measured on.

A file is read in pieces of a megabyte, which are encoded one by one. They end where the tokens of the whole
text have a boundary too, so how long they are changes nothing. Where this is not known of a tokenizer, a
split is one piece.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuner.data.pool import MapChunks
from tuner.data.scratch import Scratch
from tuner.data.sources.files import broken_line, reason
from tuner.data.split import SPLITS
from tuner.data.stages import Packed, Stage
from tuner.data.table import AnyArray, Table
from tuner.data.text import TextRows
from tuner.data.tokens import BEFORE_SPACE, TokenArray, Tokenizer, fit, from_json
from tuner.errors import DataError
from tuner.spec.sections import DataSpec, TextSpec
from tuner.spec.sections import Split as SplitSpec

PIECE_BYTES = 1 << 20
_LOOK_BYTES = 1 << 12
"""Read at a time where a piece is to end."""
_OVERLAP_BYTES = 16
"""The rule sees a character before the cut and two after it."""


@dataclass(frozen=True)
class Piece:
    """Some bytes of a file, whole characters."""

    path: Path
    start: int
    end: int

    def read(self) -> str:
        with self.path.open("rb") as file:
            file.seek(self.start)
            content = file.read(self.end - self.start)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _no_utf8(self.path) from error


Files = Mapping[str | None, Path]
"""Of each split; or under None one that is to be cut."""


def write_files(table: Table, scratch: Scratch) -> Files:
    """The texts of a table, one after the other, in `scratch`."""
    return {name: scratch.write_text(texts) for name, texts in _by_split(table).items()}


def join_files(table: Table, scratch: Scratch) -> Files:
    """Of a table of files one of each split: its own, or several one after the other, in `scratch`.

    DataError where one of several is no UTF-8.
    """
    return {
        name: paths[0] if len(paths) == 1 else scratch.write_blocks(_blocks_of(paths))
        for name, paths in _by_split(table).items()
    }


def _by_split(table: Table) -> dict[str | None, AnyArray]:
    if table.parts is None:
        return {None: table.features}
    return {name: table.features[table.parts == name] for name in SPLITS}


def _blocks_of(paths: Iterable[Path]) -> Iterator[bytes]:
    """All that is in the files; each ends with the end of a line."""
    for path in paths:
        block = b""
        for block in _valid_blocks(path):
            yield block
        if not block.endswith(b"\n"):
            yield b"\n"


@dataclass(frozen=True)
class RunningTokens:
    """The tokens of each split, one after the other."""

    tokenizer: Tokenizer
    splits: Mapping[str, TokenArray]
    with_text: frozenset[str]
    """The splits that have any text."""


def _pack(tokens: RunningTokens) -> Packed:
    about = {"tokenizer": tokens.tokenizer.to_json(), "with_text": sorted(tokens.with_text)}
    return Packed(tokens.splits, about)


def _unpack(packed: Packed) -> RunningTokens:
    splits, about = packed
    return RunningTokens(from_json(about["tokenizer"]), splits, frozenset(about["with_text"]))


TOKENS: Stage[RunningTokens] = Stage("tokens", ("split", "text.tokenizer"), _pack, _unpack)


def encode_running(
    files: Files, spec: DataSpec, scratch: Scratch, map_chunks: MapChunks, *, piece_bytes: int = PIECE_BYTES
) -> RunningTokens:
    """Of the text in `files`; DataError where it cannot be read. The tokens lie in `scratch`."""
    text = spec.text or TextSpec()
    parts = _parts(files, spec.split)
    tokenizer = fit(
        text.tokenizer, (piece.read() for piece in _pieces(parts["train"], BEFORE_SPACE, piece_bytes))
    )
    splits, with_text = {}, set()
    for name in SPLITS:
        pieces = list(_pieces(parts[name], tokenizer.cut, piece_bytes))
        encoded = map_chunks(partial(_encode, content=tokenizer.to_json()), pieces)
        splits[name] = scratch.concatenate(encoded, np.int32)
        if pieces:
            with_text.add(name)
    return RunningTokens(tokenizer, splits, frozenset(with_text))


def cut_into_rows(running: RunningTokens, spec: DataSpec) -> TextRows:
    """DataError for a split that fills no row."""
    length = (spec.text or TextSpec()).max_length
    splits = {}
    for name in SPLITS:
        tokens = running.splits[name]
        splits[name] = _stretches(tokens, length)
        if len(splits[name][0]) == 0 and (name in running.with_text or name != "test"):
            raise DataError(
                f"each split of a text must fill a row of data.text.max_length = {length} tokens "
                f"and one more, but {name} has {len(tokens)} tokens; lower max_length or give more text"
            )
    return TextRows(splits, running.tokenizer, running.tokenizer.num_tokens)


def _encode(piece: Piece, *, content: str) -> TokenArray:
    return _tokenizer_of(content).encode(piece.read())


_tokenizer_of = lru_cache(maxsize=1)(from_json)


def _stretches(tokens: TokenArray, length: int) -> tuple[TokenArray, TokenArray]:
    """Inputs and targets, both [rows, length]; the targets are one token on."""
    num_rows = max(0, (len(tokens) - 1) // length)
    inputs, targets = tokens[: num_rows * length], tokens[1 : num_rows * length + 1]
    return inputs.reshape(num_rows, length), targets.reshape(num_rows, length)


def _parts(files: Files, split: SplitSpec) -> dict[str, Piece]:
    """The text of each split."""
    if None in files:
        return _cut(files[None], split)
    return {name: Piece(files[name], 0, files[name].stat().st_size) for name in SPLITS}


def _cut(path: Path, split: SplitSpec) -> dict[str, Piece]:
    """The file cut at shares of its characters."""
    counts = np.cumsum([0, *(np.count_nonzero(_begin_characters(block)) for block in _valid_blocks(path))])
    ends = np.rint(np.cumsum([getattr(split, name) for name in SPLITS]) * counts[-1]).astype(int)
    starts = [_byte_of(path, character, counts) for character in (0, *ends)]
    return {name: Piece(path, *starts[place : place + 2]) for place, name in enumerate(SPLITS)}


def _valid_blocks(path: Path) -> Iterator[bytes]:
    """All of the file; DataError where it is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(PIECE_BYTES):
                decoder.decode(block)
                yield block
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _no_utf8(path) from error
    except OSError as error:
        raise DataError(f"text must be readable, but {path} is not: {reason(error)}; correct it") from error


def _no_utf8(path: Path) -> DataError:
    return DataError(f"text must be UTF-8, but {path} is not: {broken_line(path)}; convert it")


def _begin_characters(block: bytes) -> NDArray[np.bool_]:
    """[bytes]: whether a character begins there."""
    return np.asarray((np.frombuffer(block, dtype=np.uint8) & 0xC0) != 0x80)


def _byte_of(path: Path, character: int, counts: NDArray[np.int64]) -> int:
    """Where `character` begins, or the file ends; `counts`: characters before each block, and in all."""
    if character == counts[-1]:
        return path.stat().st_size
    block = int(np.searchsorted(counts, character, side="right")) - 1
    with path.open("rb") as file:
        file.seek(block * PIECE_BYTES)
        begins = np.flatnonzero(_begin_characters(file.read(PIECE_BYTES)))
    return block * PIECE_BYTES + int(begins[character - counts[block]])


def _pieces(whole: Piece, cut: re.Pattern[str] | None, piece_bytes: int) -> Iterable[Piece]:
    start = whole.start
    with whole.path.open("rb") as file:
        while cut is not None and whole.end - start > piece_bytes:
            end = _next_cut(file, start + piece_bytes, whole.end, cut)
            yield Piece(whole.path, start, end)
            start = end
    if start < whole.end:
        yield Piece(whole.path, start, whole.end)


def _next_cut(file: BufferedReader, start: int, end: int, cut: re.Pattern[str]) -> int:
    """The first place after `start` where the text may be cut; `end` where there is none."""
    while start < end:
        file.seek(start)
        block = file.read(min(_LOOK_BYTES, end - start))
        head = int(np.argmax(_begin_characters(block)))
        # What is lost is half of a character at the end of the block.
        text = block[head:].decode("utf-8", "ignore")
        if found := cut.search(text, 1):
            return start + head + len(text[: found.start()].encode())
        start += _LOOK_BYTES - _OVERLAP_BYTES
    return end
