"""Running text in pieces: the tokens are those of the whole text, however it is cut."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from tuner.data.pool import in_order
from tuner.data.running_text import PIECE_BYTES, cut_into_rows, encode_running
from tuner.data.scratch import scratch_in
from tuner.data.split import SPLITS
from tuner.data.tokens import PretrainedTokenizer, fit, from_json
from tuner.spec.sections import DataSpec

WORDS = [
    "the",
    "can't",
    "it's",
    "Überaus",
    "数据。",
    "3.14",
    "x\u0301y",
    "—",
    "\n\n",
    "\t",
    " ",
    "<padding>",
    "🙂",
    "\r\n",
]
GAPS = [" ", "  ", "", "\n", " \u00a0 ", "\u3000 ", "\r\n", " \n"]
TOKENIZERS = ["byte", "character", {"type": "bpe", "vocabulary": 400}]


def text_of(num_words: int, seed: int = 0) -> str:
    draw = random.Random(seed)
    return "".join(draw.choice(WORDS) + draw.choice(GAPS) for _ in range(num_words))


def spec_of(path: Path, tokenizer: object = "byte") -> DataSpec:
    return DataSpec.model_validate(
        {
            "source": {"type": "text", "path": str(path)},
            "split": {"train": 0.8, "val": 0.1, "test": 0.1},
            "text": {"tokenizer": tokenizer, "max_length": 7},
        }
    )


def prepared(tmp_path: Path, text: str, tokenizer: object = "byte", piece_bytes: int = PIECE_BYTES):
    """(tokens of each split, the tokenizer's JSON)"""
    path = tmp_path / "book.txt"
    path.write_bytes(text.encode())
    with scratch_in(tmp_path / "scratch") as scratch:
        spec = spec_of(path, tokenizer)
        tokens = encode_running({None: path}, spec, scratch, in_order, piece_bytes=piece_bytes)
        rows = cut_into_rows(tokens, spec)
        return {
            name: [part.tolist() for part in rows.splits[name]] for name in SPLITS
        }, rows.tokenizer.to_json()


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=str)
@pytest.mark.parametrize("piece_bytes", [1, 10, 300])
def test_pieces_have_the_tokens_of_the_whole(tmp_path: Path, tokenizer: object, piece_bytes: int) -> None:
    text = text_of(3000)
    assert prepared(tmp_path, text, tokenizer, piece_bytes) == prepared(tmp_path, text, tokenizer)


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=str)
def test_the_whole_is_cut_at_characters(tmp_path: Path, tokenizer: object) -> None:
    text = text_of(3000)
    splits, content = prepared(tmp_path, text, tokenizer, 100)
    ends = np.rint(np.array([0.8, 0.9, 1.0]) * len(text)).astype(int)
    for name, start, end in zip(SPLITS, (0, *ends), ends, strict=False):
        tokens = from_json(content).encode(text[start:end])
        num_rows = (len(tokens) - 1) // 7
        assert splits[name][0] == tokens[: num_rows * 7].reshape(-1, 7).tolist()
        assert splits[name][1] == tokens[1 : num_rows * 7 + 1].reshape(-1, 7).tolist()


def test_characters_lie_across_the_blocks_of_a_large_file(tmp_path: Path) -> None:
    text = "ab" + "é数🙂" * (PIECE_BYTES // 4)
    splits, _ = prepared(tmp_path, text)
    start, end = (round(share * len(text)) for share in (0.8, 0.9))
    expected = np.frombuffer(text[start:end].encode(), dtype=np.uint8).astype(int) + 1
    assert np.ravel(splits["val"][0]).tolist() == expected[: np.size(splits["val"][0])].tolist()


@pytest.mark.parametrize(
    ("change", "is_cut"),
    [
        ({}, True),
        ({"normalizer": {"type": "Lowercase"}}, False),
        ({"pre_tokenizer": None}, False),
        ({"add_prefix_space": True}, False),
        ({"lstrip": True}, False),
    ],
    ids=str,
)
def test_a_pretrained_tokenizer_is_cut_where_it_is_known(change: dict[str, object], is_cut: bool) -> None:
    import json

    content = json.loads(
        json.loads(fit(spec_of(Path("a"), TOKENIZERS[2]).text.tokenizer, ["ab"]).to_json())["content"]
    )
    content["added_tokens"][0].update({name: value for name, value in change.items() if name == "lstrip"})
    if "add_prefix_space" in change:
        content["pre_tokenizer"].update(change)
    else:
        content.update({name: value for name, value in change.items() if name != "lstrip"})
    tokenizer = PretrainedTokenizer(json.dumps(content), padding=0)
    assert (tokenizer.cut is not None) == is_cut


@pytest.mark.parametrize("seed", range(3))
def test_a_pretrained_tokenizer_sees_the_same_in_pieces(seed: int) -> None:
    import json

    text = text_of(2000, seed) + "one two three four " * 50
    trained = fit(spec_of(Path("a"), TOKENIZERS[2]).text.tokenizer, [text]).to_json()
    tokenizer = PretrainedTokenizer(json.loads(trained)["content"], padding=0)
    assert tokenizer.cut is not None
    parts = tokenizer.cut.split(text)
    assert len(parts) > 50
    tokens = np.concatenate([tokenizer.encode(part) for part in parts])
    assert tokens.tolist() == tokenizer.encode(text).tolist()
