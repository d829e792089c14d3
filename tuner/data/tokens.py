"""Text to tokens: byte, character and byte-pair vocabularies, fitted on the training texts only, and
the vocabularies of pretrained models.

    tokenizer = fit(spec, train_texts)
    rows = encode_rows(tokenizer, texts, max_length)       # int32 [texts, max_length]; also of pairs of texts
    tokenizer.decode(tokenizer.encode("ab"))               # "ab"

Token 0 (PADDING) fills up short rows, or the one that a pretrained model is used to. What a tokenizer knows
is one JSON text (`to_json`, `from_json`), which the manifest keeps, so an exported model reads text as in
training. Byte pairs: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016, on
bytes, so that no text is unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tuner.data.pretrained import read_tokenizer
from tuner.errors import DataError
from tuner.spec.sections import BpeTokens, ByteTokens, CharacterTokens, PretrainedTokens, TokensSpec

PADDING = 0
_UNKNOWN = 1
_PADDING_TEXT = "<padding>"
TokenArray = NDArray[np.int32]

BEFORE_SPACE = re.compile(r"(?<=\S)(?=[ \n])")
"""Where no token of `tuner`'s own tokenizers goes on: in byte pairs a space only begins one."""
_BETWEEN_WORDS = re.compile(r"(?<=[^\W\d_])(?= [^\W\d_])")
"""The same of GPT-2's tokenizer and its kind, with room for patterns that take more into a word."""


class Tokenizer(Protocol):
    """A vocabulary of `num_tokens`, and one token beyond it where two texts meet or a translation ends."""

    @property
    def num_tokens(self) -> int: ...
    @property
    def padding(self) -> int:
        return PADDING

    @property
    def unknown(self) -> int | None:
        """The token of all that the vocabulary lacks; None: it lacks nothing, or nobody has to know."""
        return None

    @property
    def cut(self) -> re.Pattern[str] | None:
        """Where a text may be cut so that its parts have the tokens of the whole; None: nowhere."""
        return BEFORE_SPACE

    @property
    def boundary(self) -> int:
        """The token beyond the vocabulary, which no text has."""
        return self.num_tokens

    @property
    def separator(self) -> int | None:
        """The token of a pair after which the second text begins; None: none tells."""
        return self.boundary

    def encode(self, text: str) -> TokenArray: ...
    def encode_row(self, text: str, max_length: int) -> TokenArray:
        """Of a text that stands alone: the first tokens, `max_length` at most."""
        return self.encode(text)[:max_length]

    def encode_pair(self, first: str, second: str, max_length: int) -> TokenArray:
        """Both texts, with what stands between them; of the longer one the end is cut first.

        DataError when `max_length` leaves no room for a token of each.
        """
        check_room(1, 2, max_length)
        tokens, more = _cut(self.encode(first), self.encode(second), max_length - 1)
        return np.concatenate([tokens, np.array([self.boundary], dtype=np.int32), more])

    def decode(self, tokens: Sequence[int]) -> str:
        """A boundary is the end of a line."""
        return "\n".join(self.decode_text(part) for part in _between(tokens, self.boundary))

    def decode_text(self, tokens: Sequence[int]) -> str: ...
    def to_json(self) -> str: ...


@dataclass(frozen=True)
class ByteTokenizer(Tokenizer):
    """Token 1 + b is byte b of the UTF-8 text."""

    num_tokens: int = 257

    def encode(self, text: str) -> TokenArray:
        return np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8).astype(np.int32) + 1

    def decode_text(self, tokens: Sequence[int]) -> str:
        return bytes(token - 1 for token in tokens if token != PADDING).decode("utf-8", "replace")

    def to_json(self) -> str:
        return json.dumps({"type": "byte"})


@dataclass(frozen=True)
class CharacterTokenizer(Tokenizer):
    """Token 2 + i is `characters[i]`; 1 stands for any other."""

    characters: str

    @property
    def num_tokens(self) -> int:
        return 2 + len(self.characters)

    @property
    def unknown(self) -> int:
        return _UNKNOWN

    def encode(self, text: str) -> TokenArray:
        known = np.array([ord(character) for character in self.characters], dtype=np.int64)
        codes = np.array([ord(character) for character in text], dtype=np.int64)
        if not len(known):
            return np.full(len(codes), _UNKNOWN, dtype=np.int32)
        place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        return np.where(known[place] == codes, place + 2, _UNKNOWN).astype(np.int32)

    def decode_text(self, tokens: Sequence[int]) -> str:
        return "".join(self.characters[token - 2] if token > 1 else "\ufffd" for token in tokens if token)

    def to_json(self) -> str:
        return json.dumps({"type": "character", "characters": self.characters})


class LibraryTokenizer(Tokenizer):
    """One of Hugging Face's `tokenizers`, by its own JSON."""

    def __init__(self, content: str) -> None:
        from tokenizers import Tokenizer as Library

        try:
            self._library = Library.from_str(content)
        except Exception as error:
            # The library has no type of its own for what it cannot read.
            raise DataError(
                f"a tokenizer must be as `tokenizers` wrote it, but it cannot be read: {error}; "
                "prepare the data again"
            ) from error
        # A text that spells a special token is text.
        self._library.encode_special_tokens = True

    @property
    def num_tokens(self) -> int:
        return int(self._library.get_vocab_size())

    def encode(self, text: str) -> TokenArray:
        return np.array(self._library.encode(text, add_special_tokens=False).ids, dtype=np.int32)

    def decode_text(self, tokens: Sequence[int]) -> str:
        return str(self._library.decode([int(token) for token in tokens]))

    def to_json(self) -> str:
        return json.dumps({"type": "tokenizers", "content": self._library.to_str()})


class PretrainedTokenizer(LibraryTokenizer):
    """A pretrained model's: texts and pairs get the special tokens which that was trained with.

    Running text gets none, and a text that is cut keeps its closing one.
    """

    def __init__(self, content: str, padding: int) -> None:
        super().__init__(content)
        # By custom the text of a pretrained model may spell special tokens, such as the end of a document.
        self._library.encode_special_tokens = False
        self._library.no_padding()
        self._library.no_truncation()
        self._content, self._padding = content, padding

    @property
    def num_tokens(self) -> int:
        """The largest token and one: there may be gaps."""
        return max(self._library.get_vocab().values()) + 1

    @property
    def padding(self) -> int:
        return self._padding

    @property
    def cut(self) -> re.Pattern[str] | None:
        return _BETWEEN_WORDS if _cuts_between_words(json.loads(self._content)) else None

    @cached_property
    def separator(self) -> int | None:
        """None where the pairs of the tokenizer have one type of tokens only.

        DataError where no token stands between the types.
        """
        found = self._library.encode("a", "a")
        if not any(found.type_ids):
            return None
        start = found.type_ids.index(1) if 1 in found.type_ids else 0
        token = found.ids[start - 1]
        is_clear = found.type_ids == [0] * start + [1] * (len(found.ids) - start)
        is_first = token not in found.ids[: start - 1] and found.special_tokens_mask[start - 1]
        if not (is_clear and start and is_first):
            raise DataError(
                "a tokenizer must put a special token between two texts, of which only the second is of "
                f"type 1, but it gives the types {found.type_ids}; choose another model"
            )
        return int(token)

    def encode_row(self, text: str, max_length: int) -> TokenArray:
        """DataError when the special tokens leave no room."""
        check_room(self._library.num_special_tokens_to_add(False), 1, max_length)
        return self._encode(max_length, text)

    def encode_pair(self, first: str, second: str, max_length: int) -> TokenArray:
        check_room(self._library.num_special_tokens_to_add(True), 2, max_length)
        # A text that spells the separator would end there.
        self._library.encode_special_tokens = True
        tokens = self._encode(max_length, first, second)
        self._library.encode_special_tokens = False
        return tokens

    def _encode(self, max_length: int, text: str, second: str | None = None) -> TokenArray:
        ids = self._library.encode(text, second).ids
        if len(ids) > max_length:
            self._library.enable_truncation(max_length, strategy="longest_first")
            ids = self._library.encode(text, second).ids
            self._library.no_truncation()
        return np.array(ids, dtype=np.int32)

    def to_json(self) -> str:
        return json.dumps({"type": "pretrained", "content": self._content, "padding": self._padding})


def _cuts_between_words(library: dict[str, Any]) -> bool:
    """Whether a `tokenizer.json` is known to: those of GPT-2 and its kind do, before they look for pairs."""
    words = library.get("pre_tokenizer") or {}
    return (
        words.get("type") == "ByteLevel"
        and words.get("use_regex", True)
        and not words["add_prefix_space"]
        and not library.get("normalizer")
        and not any(_takes_spaces(token) for token in library.get("added_tokens") or [])
    )


def _takes_spaces(token: dict[str, Any]) -> bool:
    return " " in token["content"] or token["lstrip"] or token["rstrip"]


def fit(spec: TokensSpec, texts: Iterable[str]) -> Tokenizer:
    """A tokenizer for `texts`, the training ones; DataError where a pretrained one cannot be read."""
    if isinstance(spec, ByteTokens):
        return ByteTokenizer()
    if isinstance(spec, CharacterTokens):
        return CharacterTokenizer("".join(sorted(_characters(texts))))
    if isinstance(spec, PretrainedTokens):
        return PretrainedTokenizer(*read_tokenizer(spec.name))
    assert isinstance(spec, BpeTokens)
    return LibraryTokenizer(_train_bpe(texts, spec.vocabulary))


def _characters(texts: Iterable[str]) -> set[str]:
    characters: set[str] = set()
    for text in texts:
        characters.update(text)
    return characters


def from_json(content: str) -> Tokenizer:
    """The inverse of `to_json`."""
    fields: dict[str, Any] = json.loads(content)
    if fields["type"] == "byte":
        return ByteTokenizer()
    if fields["type"] == "character":
        return CharacterTokenizer(fields["characters"])
    if fields["type"] == "pretrained":
        return PretrainedTokenizer(fields["content"], fields["padding"])
    return LibraryTokenizer(fields["content"])


def encode_rows(
    tokenizer: Tokenizer, texts: Sequence[str] | Sequence[Sequence[str]], max_length: int
) -> TokenArray:
    """[texts, max_length]: of texts or of pairs of them, filled up with the tokenizer's padding."""
    rows = np.full((len(texts), max_length), tokenizer.padding, dtype=np.int32)
    for row, text in zip(rows, texts, strict=True):
        if isinstance(text, str):
            tokens = tokenizer.encode_row(text, max_length)
        else:
            first, second = text
            tokens = tokenizer.encode_pair(first, second, max_length)
        row[: len(tokens)] = tokens
    return rows


def check_room(num_special: int, num_texts: int, max_length: int) -> None:
    """DataError when a row cannot hold so many special tokens and a token of each text."""
    if max_length < num_special + num_texts:
        texts = "" if num_texts == 1 else " and a token of each text"
        raise DataError(
            "data.text.max_length must leave room for the tokenizer's special tokens "
            f"({num_special}){texts}, but found {max_length}; raise it"
        )


def _cut(first: TokenArray, second: TokenArray, room: int) -> tuple[TokenArray, TokenArray]:
    """`room` tokens at most: those of the longer one go first, as in Hugging Face's `longest_first`."""
    num_first = min(len(first), room // 2)
    if len(first) > len(second):
        num_first = room - min(len(second), room // 2)
    return first[:num_first], second[: room - num_first]


def _between(tokens: Sequence[int], boundary: int) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    for token in tokens:
        if token == boundary:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _train_bpe(texts: Iterable[str], vocabulary: int) -> str:
    from tokenizers import Tokenizer as Library
    from tokenizers import decoders, models, pre_tokenizers, trainers

    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_PADDING_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    library.train_from_iterator(texts, trainer)
    content: str = library.to_str()
    return content
