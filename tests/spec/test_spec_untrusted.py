"""An experiment file from a stranger: it runs nothing, and neither fills the memory nor takes for ever."""

from pathlib import Path
from typing import Any

import pytest
from spec_examples import DESIGN, load_text, plain

from tuner.errors import ExperimentError
from tuner.spec import Choice, Experiment, Float
from tuner.spec.domains import MAX_DEPTH, MAX_OPTIONS
from tuner.spec.problems import MOST
from tuner.spec.reading import MAX_BYTES, MAX_VALUES
from tuner.spec.space import MAX_CORNERS, Parameter, Space

FIRST = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
LAUGHS = FIRST + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 10)}]\n"
    for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)
TEXTS = {
    "aliases": (LAUGHS, f"more than {MAX_VALUES} values behind its aliases"),
    "aliases as a key": (FIRST + "? *a\n: 1\n", "a key must be text; found a sequence"),
    "a list in itself": ("a: &a [*a]", f"more than {MAX_DEPTH} levels behind its aliases"),
    "a mapping in itself": ("&a {x: *a}", f"more than {MAX_DEPTH} levels behind its aliases"),
    "a key in itself": ("&a {? *a : 1}", "a key must be text; found a mapping"),
    "deep lists": ("a: " + "[" * 100_000, f"found: more than {MAX_DEPTH} levels"),
    "deep blocks": ("- " * 50_000, f"found: more than {MAX_DEPTH} levels"),
    "many values": ("a: [" + "1," * 100_000 + "]", f"found: more than {MAX_VALUES} values"),
    "a large file": ("#" * (MAX_BYTES + 1), "may have 1 MiB; found more; keep data in a file of its own"),
    "many digits": ("a: " + "9" * 5000, "a whole number may have 18 digits; found 5000"),
    "more than 64 bits": ("a: 9223372036854775808", "a whole number may have 18 digits; found 19"),
    "no character": ('a: "\\UFFFFFFFF"', "the text must be valid YAML"),
    "a long version": ("%YAML 1." + "9" * 5000 + "\n---\na: 1", "the text must be valid YAML"),
    "nul": ("name: a\0b", "the text must be valid YAML; found: special characters are not allowed"),
    "equal keys": ("a: 1\na: 2", "a key must stand once in a mapping; found 'a' twice"),
    "a call": ("a: !!python/object/apply:os.system [true]", "found a sequence tagged .*drop the tag"),
    "an object": ("a: !!python/object:os.x {a: 1}", "found a mapping tagged .*drop the tag"),
    "a module": ("a: !!python/module:os ''", "found '' tagged .*drop the tag"),
    "a set": ("a: !!set {a}", "found a mapping tagged .*drop the tag"),
    "a list called text": ("a: !!str [a]", "found a sequence tagged .*drop the tag"),
    "two documents": ("a: 1\n---\na: 2", "the text must be valid YAML"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_asks_for_too_much(tmp_path: Path, text: str) -> None:
    content, message = TEXTS[text]
    with pytest.raises(ExperimentError, match=message) as caught:
        load_text(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_that_is_no_utf8(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ExperimentError, match="must be valid YAML; found: invalid start byte"):
        Experiment.load(tmp_path / "e.yaml")


def test_a_file_name_that_no_file_can_have() -> None:
    with pytest.raises(ExperimentError, match="file must be readable; found: embedded null byte"):
        Experiment.load("a\0b.yaml")


NAMES = [
    "../../x",
    "..",
    ".",
    "/etc/x",
    "a/b",
    "a\\b",
    ".store",
    ".hidden",
    "",
    "a\n",
    "a\nb",
    "a\0b",
    "~",
    "a b",
]


@pytest.mark.parametrize("name", [*NAMES, "é", "a" * 101, "$(x)", "a;b", "*", None, 3, ["a"], True])
def test_a_name_that_leaves_the_results_folder(name: Any) -> None:
    rule = "name names a folder and must be up to 100 letters, digits and _-. without a dot in front"
    with pytest.raises(ExperimentError, match=rule):
        Experiment.from_dict(plain(name=name))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_put_in_later(name: str) -> None:
    with pytest.raises(ExperimentError, match="name names a folder"):
        Experiment.from_dict(plain()).replace(name=name)


@pytest.mark.parametrize("path", ["a\0b", "~\0", "~\ud800"])
@pytest.mark.parametrize(
    "changes",
    [
        lambda path: {"data__source": {"type": "csv", "path": path, "label": "y"}},
        lambda path: {"data__source": {"type": "npz", "path": path}},
        lambda path: {"search__warm_start": [path]},
    ],
)
def test_a_path_that_no_file_can_have(path: str, changes: Any) -> None:
    with pytest.raises(ExperimentError, match="must be the path of a file or folder; found"):
        Experiment.from_dict(plain(**changes(path)))


@pytest.mark.parametrize("key", ["a\nb", "a\rb", "a\0b", "", "\ud800", "\u2028"])
def test_a_parameter_whose_name_is_no_column(key: str) -> None:
    with pytest.raises(ExperimentError, match="space must have printable text as keys; found"):
        Experiment(train=print, space={key: Float(0, 1)}, metric="x")


def test_half_a_character() -> None:
    with pytest.raises(
        ExperimentError, match="data.source.delimiter must be text without halves of characters"
    ):
        Experiment.from_dict(
            plain(data__source={"type": "csv", "path": "x", "label": "y", "delimiter": "\ud800"})
        )


@pytest.mark.parametrize("number", [2**63, -(2**64), 10**400, 10**5000], ids=["63", "64", "400", "5000"])
def test_a_number_of_more_than_64_bits(number: int) -> None:
    with pytest.raises(ExperimentError, match="a whole number must fit into 64 bits; found"):
        Experiment.from_dict(plain(train__epochs=number))
    with pytest.raises(ExperimentError, match="the ends of float must be finite numbers"):
        Float(0, number)


@pytest.mark.parametrize(
    ("low", "high", "step", "message"),
    [
        (-1e308, 1e308, None, "the range of float must be finite"),
        (0.0, 1e308, 1e-320, "the range must be a countable number of steps"),
    ],
)
def test_a_range_that_has_no_width(low: float, high: float, step: float | None, message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        Float(low, high, step=step)


def test_a_choice_of_too_many() -> None:
    with pytest.raises(ExperimentError, match=f"may have {MAX_OPTIONS} options; found {MAX_OPTIONS + 1}"):
        Choice(list(range(MAX_OPTIONS + 1)))


def test_a_choice_of_what_equals_nothing() -> None:
    with pytest.raises(ExperimentError, match=r"a number \(not nan\)"):
        Choice([1.0, float("nan")])


def test_a_tree_that_holds_itself() -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless
    with pytest.raises(ExperimentError, match=f"may have {MAX_DEPTH} levels; found more, or a"):
        Experiment.from_dict(plain(model=endless))


@pytest.mark.parametrize("tree", [None, "name: x", [1], 3])
def test_what_is_no_mapping(tree: Any) -> None:
    with pytest.raises(ExperimentError, match="an experiment must be a mapping; found"):
        Experiment.from_dict(tree)


def test_an_error_has_an_end() -> None:
    with pytest.raises(ExperimentError) as caught:
        Experiment.from_dict(plain(model={"type": "mlp", **{f"key{i}": 1 for i in range(3 * MOST)}}))
    assert len(str(caught.value).splitlines()) == MOST


def test_a_large_space_has_not_too_many_corners() -> None:
    wide = Choice(list(range(MAX_OPTIONS)))
    space = Space(tuple(Parameter(f"p{number}", wide) for number in range(4)))
    corners = list(space.corners())
    assert len(corners) == MAX_CORNERS
    for parameter in space.parameters:
        assert {corner[parameter.name] for corner in corners} == set(wide.options)


def test_the_design_is_within_all_bounds(tmp_path: Path) -> None:
    assert load_text(tmp_path, DESIGN).name == "digits_cnn"
