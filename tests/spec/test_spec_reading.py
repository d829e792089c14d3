import pytest

from tuner.errors import ExperimentError
from tuner.spec.reading import override, read_file, read_text, source_at, write_text


def read(text):
    return read_text(text, lambda mark: f"f.yaml:{mark.line + 1}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.0e-4", 1e-4),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("1E3", 1000.0),
        ("-.inf", float("-inf")),
        (".INF", float("inf")),
        ("7", 7),
        ("+7", 7),
        ("1_000", 1000),
        ("true", True),
        ("False", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("off", "off"),
        ("none", "none"),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("'1e-4'", "1e-4"),
        ("!!str 3", "3"),
        ("{a: [1, {b: ~}]}", {"a": [1, {"b": None}]}),
    ],
)
def test_scalars(text, value):
    found = read(f"x: {text}")[0]["x"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "value",
    [1e-4, 1e20, 3, True, None, "1e-4", "off", "3", "true", "", "~", "a: b", "val/loss", "ü", "[x]", []],
)
def test_what_is_written_reads_back(value):
    tree = {"value": value, "nested": {"list": [value, {"deep": value}]}}
    assert read(write_text(tree))[0] == tree


def test_not_a_number_reads_and_writes():
    value = read(write_text({"x": float("nan")}))[0]["x"]
    assert value != value


def test_every_path_has_its_line():
    _, sources = read("a: 1\nb:\n  c: 2\n  d:\n    - 3\n    - {e: 4}\n")
    assert sources[("a",)] == "f.yaml:1"
    assert sources[("b", "c")] == "f.yaml:3"
    assert sources[("b", "d", 1, "e")] == "f.yaml:6"
    assert source_at(sources, ("b", "c", "missing")) == "f.yaml:3"
    assert source_at({}, ("b",)) == ""


def test_anchors_give_copies():
    tree, _ = read("a: &x {b: 1}\nc: *x\n")
    tree["a"]["b"] = 2
    assert tree["c"] == {"b": 1}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a: 1\nb: 2\na: 3\n", r"^f.yaml:3: a key must stand once in a mapping; found 'a' twice"),
        ("a: 1\nb: [1, 2\n", "^f.yaml:3: the text must be valid YAML; found: expected ',' or ']'"),
        ("a: 1\n---\nb: 1\n", "^f.yaml:2: the text must be valid YAML; found: but found another document"),
        ("a: *x\n", "^f.yaml:1: .*found undefined alias 'x'"),
        (b"a: \xff\xff\n", "^f.yaml:1: the text must be valid YAML; found: invalid start byte"),
        ("1: a\n", "^f.yaml:1: a key must be text; found '1'; put it into quotes"),
        ("a:\n  - !!int x\n", "^f.yaml:2: a value must be plain text.*found 'x' tagged 'tag:yaml.*:int'"),
        ("a: !thing x\n", "^f.yaml:1: .*found 'x' tagged '!thing'; drop the tag"),
    ],
)
def test_wrong_text(text, match):
    with pytest.raises(ExperimentError, match=match):
        read(text)


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "digits_cnn.yaml").write_text("")
    with pytest.raises(ExperimentError, match="No such file or directory.*did you mean 'digits_cnn.yaml'"):
        read_file(tmp_path / "digit_cnn.yaml")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ExperimentError, match="must be readable; found: Is a directory"):
        read_file(tmp_path)


TREE = """\
train:
  epochs: 3
  stop: ~
  optimizer:
    choice:
      - {type: adamw, lr: 1}
      - {momentum: 0}
"""


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("train.epochs=1e-4", ("train", "epochs"), 1e-4),
        (" train.epochs = [1, 2]", ("train", "epochs"), [1, 2]),
        ("train.epochs={int: [1, 3]}", ("train", "epochs"), {"int": [1, 3]}),
        ("train.epochs=", ("train", "epochs"), None),
        ("train.url=a=b", ("train", "url"), "a=b"),
        ("train.stop.patience=3", ("train", "stop", "patience"), 3),
        ("new.deep.key=3", ("new", "deep", "key"), 3),
        ("train.optimizer={type: sgd}", ("train", "optimizer"), {"type": "sgd"}),
        ("train.optimizer.adamw.lr=0.5", ("train", "optimizer", "choice", 0, "lr"), 0.5),
        ("train.optimizer.1.momentum=0.5", ("train", "optimizer", "choice", 1, "momentum"), 0.5),
        ("train.optimizer.adamw={type: sgd}", ("train", "optimizer", "choice", 0), {"type": "sgd"}),
    ],
)
def test_override(text, path, value):
    tree, sources = read(TREE)
    override(tree, sources, text)
    node = tree
    for key in path:
        node = node[key]
    assert node == value
    assert source_at(sources, (*path, "below")) == f"--set {text.partition('=')[0].strip()}"


def test_an_override_leaves_other_lines():
    tree, sources = read(TREE)
    override(tree, sources, "train.optimizer.adamw.lr=2")
    assert source_at(sources, ("train", "optimizer", "choice", 0, "type")) == "f.yaml:6"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("train.epochs", "--set needs path=value; found 'train.epochs'"),
        ("=3", "--set needs path=value; found '=3'"),
        ("train..epochs=3", "--set needs path=value"),
        ("train.epochs=[1", r"^--set train.epochs: the text must be valid YAML"),
        ("train.epochs={a: 1, a: 2}", "^--set train.epochs: a key must stand once"),
        ("train.epochs.x=3", "^--set train.epochs.x: .*found train.epochs = 3; set train.epochs itself"),
        (
            "train.optimizer.lr=3",
            "is a choice and 'lr' is not one of its mappings; allowed: adamw, 1",
        ),
        ("train.optimizer.adam.lr=3", r"did you mean 'adamw'\? allowed: adamw, 1"),
    ],
)
def test_wrong_overrides(text, match):
    tree, sources = read(TREE)
    with pytest.raises(ExperimentError, match=match):
        override(tree, sources, text)


@pytest.mark.parametrize(
    ("tree", "match"),
    [
        ({"a": {"choice": [1, 2]}}, "not one of its mappings; allowed: none"),
        ({"a": {"float": [1, 2]}}, r"found a = \{'float': \[1, 2\]\}; set a itself"),
    ],
)
def test_a_path_cannot_lead_into_a_scalar_domain(tree, match):
    with pytest.raises(ExperimentError, match=match):
        override(tree, {}, "a.b=3")
