"""Experiment files that went wrong: a shipped one with a few random changes of its text or of its tree.

texts = shipped_texts()
mutant(texts, seed=7)        # the bytes of a file; the same for the same seed
"""

import copy
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
Tree = Any
Holder = tuple[dict[str, Any] | list[Any], Any]
"""A mapping or list, and a key or index in it."""

EVERYTHING = """\
name: everything
task: regression
data:
  source: {type: csv, path: data.csv, label: y, delimiter: ";"}
  split: {train: 0.8, val: 0.2, test: 0.0, stratify: false, seed: 3}
  standardise: {choice: [true, false]}
model: {type: mlp, width: {int: [8, 64], step: 8}, depth: 2, activation: gelu, normalisation: layer}
train:
  epochs: 30
  batch_size: 64
  micro_batch: 16
  optimizer: {type: adam, lr: {float: [0.01, 0.1], step: 0.01}, betas: {choice: [[0.9, 0.999], [0.8, 0.99]]}}
  schedule: {choice: [{type: cosine, warmup: {float: [0.0, 0.3]}, final: 0.1}, {type: linear}]}
  loss: huber
  l2: {float: [1.0e-6, 1.0e-2], log: true}
  gradient_clip: 1.0
  zero: {stage: 2, offload: cpu}
  early_stop: {patience: 4, min_delta: 0.001}
  validate_every: 2
  augment: {noise: {float: [0.0, 0.2]}, mixup: 0.2}
search:
  metric: val/loss
  trials: 40
  sampler: {type: tpe, startup: 5, multivariate: true, group: true}
  scheduler: {type: asha, variant: promotion, grace: 2, factor: 2, brackets: 2}
  constraints: {model/parameters: {max: 100000, min: 10}}
  stop: {hours: 2, gpu_hours: 1.5, target: 0.1, patience: 12, min_gain: 0.01}
  points: [{model.width: 16, train.schedule.cosine.warmup: 0.1}, {train.schedule: linear}]
  warm_start: [earlier]
  priors: {train.l2: 1.0e-4, train.schedule: {at: cosine, spread: 0.2}}
  storage: sqlite:///study.db
resources: {workers: 2, cpus_per_worker: 1, gpus_per_worker: 1}
recovery: {retries: 1, hang_seconds: 60, checkpoint_seconds: 0, keep_last: 1, keep_best: 3}
confirm: {top: 2, seeds: 3}
"""
"""An experiment that uses what the shipped ones do not."""

SNIPPETS: tuple[str, ...] = (
    *("{", "}", "[", "]", ":", ": ", "- ", ",", "#", "'", '"', "|", ">", "%", "@", "`", "?", "~", "\t", "\r"),
    *("&a ", "*a", "<<: *a", "&a [*a]", "--- ", "...", "%YAML 1.1\n", "!!int ", "!!binary ", "!!set ", "!x "),
    *("!!python/object/apply:os.system [x]", '"\\UFFFFFFFF"', '"\\uD800"', "\0", "\ufeff", "\u2028", "é"),
    *("1e999", "-1", "0", ".nan", ".inf", "9" * 30, "9" * 5000, "1e-320", "null", "true", "off", "0x10"),
    *("[" * 200, "- " * 200, "{a: " * 60, "a" * 300, "choice", "float", "int", "type", "path", "~\0", "../x"),
)
SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 64, 10**6, 2**62, 10**25, 10**400, 0.0, 0.5, 1.0, -0.5, 1e-320),
    *(
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "auto",
        "none",
        "../../x",
        "/etc",
        ".store",
        "~\0",
        "\ud800",
    ),
    *("a\0b", "a\nb", "é" * 300),
)
DOMAINS: tuple[Any, ...] = (
    *({"float": [0, 1]}, {"float": [0.1, 1], "log": True}, {"float": [0, 1e308], "step": 1e-320}),
    *(
        {"float": [-1e308, 1e308]},
        {"float": 3},
        {"float": [0, 1], "int": [0, 1]},
        {"int": [1, 3]},
        {"int": []},
    ),
    *(
        {"int": [0, 2**62]},
        {"int": [1, 9], "step": 2},
        {"choice": [1, 2, 3]},
        {"choice": [None]},
        {"choice": []},
    ),
    *({"choice": [{"int": [1, 2]}]}, {"choice": [True, 1]}, {"choice": ["adam", {"type": "sgd", "lr": 0.1}]}),
    {"choice": list(range(40))},
)
COLLECTIONS: tuple[Any, ...] = (
    *([], {}, [[]], [1, 2], [0.1, 0.2], ["a", "b"], {"type": "x"}, {"a": {"b": 1}}, [{"type": "sgd"}]),
)
VALUES = (*SCALARS, *DOMAINS, *COLLECTIONS)
WORDS = """
name task data model train search resources recovery confirm function space source split type path lr stop
also constraints points priors warm_start metric mode trials sampler scheduler storage seed epochs batch_size
micro_batch zero stage offload early_stop validate_every choice float int log step a.b
"""
NAMES = tuple(WORDS.split())


def shipped_texts() -> list[str]:
    """The experiment files that are shipped or stand in the README, and EVERYTHING."""
    folder = ROOT / "search_spaces"
    files = [file.read_text() for file in sorted(folder.glob("*.yaml"))]
    base = yaml.safe_load((folder / "digits_cnn.yaml").read_text())
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    whole = [block for block in blocks if block.startswith("name:")]
    parts = [base | yaml.safe_load(block) for block in blocks if block not in whole]
    return [*files, *whole, *(yaml.safe_dump(tree, sort_keys=False) for tree in parts), EVERYTHING]


def mutant(texts: Sequence[str], seed: int) -> bytes:
    """One of `texts` with one to four changes, half of the time of its text and half of its tree."""
    draw = random.Random(seed)
    text = draw.choice(texts)
    count = draw.choice((1, 1, 1, 2, 2, 3, 4))
    if draw.random() < 0.5:
        for _ in range(count):
            text = draw.choice(TEXT_MUTATIONS)(text, texts, draw)
        return _encoded(text, draw)
    tree = yaml.safe_load(text)
    for _ in range(count):
        tree = mutate_tree(tree, draw)
    return yaml.safe_dump(tree, sort_keys=False).encode()


def mutate_tree(tree: Tree, draw: random.Random) -> Tree:
    """A copy of `tree` with one change anywhere in it."""
    tree = copy.deepcopy(tree)
    holders = list(_holders(tree))
    if not holders:
        return draw.choice(VALUES)
    draw.choice(TREE_MUTATIONS)(*draw.choice(holders), holders, draw)
    return tree


def _holders(node: Tree) -> Iterator[Holder]:
    """Where each node below `node` stands."""
    children = list(
        node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    )
    for key, child in children:
        yield node, key
        yield from _holders(child)


def _encoded(text: str, draw: random.Random) -> bytes:
    data = text.encode(errors="surrogatepass")
    if draw.random() < 0.1:
        position = draw.randrange(len(data) + 1)
        data = (
            data[:position] + bytes(draw.randrange(256) for _ in range(draw.randint(1, 4))) + data[position:]
        )
    return data


# --- changes of a text ---


def _insert(text: str, texts: Sequence[str], draw: random.Random) -> str:
    position = draw.randrange(len(text) + 1)
    return text[:position] + draw.choice(SNIPPETS) + text[position:]


def _replace_word(text: str, texts: Sequence[str], draw: random.Random) -> str:
    words = list(re.finditer(r"[\w./+-]+", text))
    if not words:
        return text
    word = draw.choice(words)
    return text[: word.start()] + draw.choice((*SNIPPETS, *NAMES)) + text[word.end() :]


def _drop(text: str, texts: Sequence[str], draw: random.Random) -> str:
    start = draw.randrange(len(text) + 1)
    return text[:start] + text[start + draw.choice((1, 1, 2, 5, 30)) :]


def _truncate(text: str, texts: Sequence[str], draw: random.Random) -> str:
    return text[: draw.randrange(len(text) + 1)]


def _move_line(text: str, texts: Sequence[str], draw: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    line = draw.choice(lines)
    if draw.random() < 0.5:
        lines.remove(line)
    lines.insert(draw.randrange(len(lines) + 1), draw.choice(("", " ", "  ")) + line)
    return "".join(lines)


def _splice(text: str, texts: Sequence[str], draw: random.Random) -> str:
    other = draw.choice(texts)
    return text[: draw.randrange(len(text) + 1)] + other[draw.randrange(len(other) + 1) :]


TEXT_MUTATIONS: tuple[Callable[[str, Sequence[str], random.Random], str], ...] = (
    *(_insert, _replace_word, _drop, _truncate, _move_line, _splice),
)  # fmt: skip


# --- changes of a tree ---


def _set(node: Any, key: Any, holders: list[Holder], draw: random.Random) -> None:
    node[key] = copy.deepcopy(draw.choice(VALUES))


def _delete(node: Any, key: Any, holders: list[Holder], draw: random.Random) -> None:
    del node[key]


def _rename(node: Any, key: Any, holders: list[Holder], draw: random.Random) -> None:
    if isinstance(node, dict):
        node[draw.choice((*NAMES, 3, None, "", "x" * 300, "a\nb"))] = node.pop(key)


def _add(node: Any, key: Any, holders: list[Holder], draw: random.Random) -> None:
    if isinstance(node, dict):
        node[draw.choice(NAMES)] = copy.deepcopy(draw.choice(VALUES))
    else:
        node.append(copy.deepcopy(draw.choice(VALUES)))


def _graft(node: Any, key: Any, holders: list[Holder], draw: random.Random) -> None:
    other, place = draw.choice(holders)
    node[key] = copy.deepcopy(other[place])


def _wrap(node: Any, key: Any, holders: list[Holder], draw: random.Random) -> None:
    value = node[key]
    node[key] = draw.choice(
        ([value], {"choice": [value]}, {"choice": [value, 3]}, {"type": value}, {"x": value})
    )


TREE_MUTATIONS: tuple[Callable[[Any, Any, list[Holder], random.Random], None], ...] = (
    *(_set, _set, _delete, _rename, _add, _graft, _wrap),
)  # fmt: skip
