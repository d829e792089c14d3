"""Whatever is read as an experiment is one, or a TunerError says why it is none."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from spec_examples import DESIGN

from tuner.errors import ExperimentError
from tuner.spec import Experiment
from tuner.spec.reading import read_text

SHIPPED = Path(__file__).parents[2] / "search_spaces"
TREES = [yaml.safe_load(DESIGN), *(yaml.safe_load(file.read_text()) for file in SHIPPED.glob("*.yaml"))]

keys = st.sampled_from(["type", "float", "int", "choice", "log", "path", "lr", "x"]) | st.text(max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


def around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)


plain = st.recursive(scalars, around, max_leaves=8)
SIGNS = "{}[]:,-&*!|>'\"#%@?~ \n\tab01.e"


def assert_read(experiment: Experiment) -> None:
    """What was read is the same when it is written and read again, and its ends are configurations."""
    tree, _ = read_text(experiment.to_yaml(), lambda mark: "")
    assert Experiment.from_dict(tree) == experiment
    assert next(experiment.representatives())


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in list(children):
        yield node, key
        yield from places(child)


@given(text=st.text() | st.text(SIGNS))
@example("a: &a [*a]")
def test_any_text(tmp_path: Path, text: str) -> None:
    load(tmp_path, text.encode(errors="surrogatepass"))


@given(content=st.binary())
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    load(tmp_path, content)


@given(position=st.integers(0, len(DESIGN)), inserted=st.text(max_size=3), dropped=st.integers(0, 9))
def test_a_text_with_a_change_anywhere(tmp_path: Path, position: int, inserted: str, dropped: int) -> None:
    text = DESIGN[:position] + inserted + DESIGN[position + dropped :]
    load(tmp_path, text.encode(errors="surrogatepass"))


@given(data=st.data(), tree=st.sampled_from(TREES), value=plain)
def test_a_tree_with_another_value_anywhere(data: st.DataObject, tree: Any, value: Any) -> None:
    tree = copy.deepcopy(tree)
    holder, key = data.draw(st.sampled_from(list(places(tree))))
    holder[key] = value
    with suppress(ExperimentError):
        assert_read(Experiment.from_dict(tree))


@given(path=st.text(max_size=12), value=st.text(max_size=12))
def test_any_override(path: str, value: str) -> None:
    with suppress(ExperimentError):
        assert_read(Experiment.from_dict(TREES[0], overrides=[f"{path}={value}"]))


@given(tree=plain)
def test_any_tree(tree: Any) -> None:
    with pytest.raises(ExperimentError):
        Experiment.from_dict(tree)


def load(folder: Path, content: bytes) -> None:
    path = folder / "e.yaml"
    path.write_bytes(content)
    with suppress(ExperimentError):
        assert_read(Experiment.load(path))
