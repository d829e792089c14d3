import random

import pytest
from spec_examples import ADAMW, DESIGN, load_text

from tuner.errors import ExperimentError
from tuner.spec import Choice, Float, Int, Parameter, Space
from tuner.spec.space import space_of

NESTED = {
    "lr": Float(1e-5, 1e-1, log=True),
    "constant": 3,
    "net": Choice(
        [
            {"type": "mlp", "width": Int(1, 4)},
            {"type": "cnn", "norm": Choice([{"type": "group", "groups": Int(2, 4)}, "none"])},
            "linear",
        ]
    ),
}


@pytest.fixture
def design(tmp_path):
    return load_text(tmp_path, DESIGN).space


def test_names_conditions_and_order(design):
    optimizer = "train.optimizer"
    assert [(p.name, p.conditions) for p in design.parameters] == [
        ("model.channels", ()),
        ("model.depth", ()),
        ("model.dropout", ()),
        ("train.batch_size", ()),
        (optimizer, ()),
        (f"{optimizer}.adamw.lr", ((optimizer, "adamw"),)),
        (f"{optimizer}.adamw.weight_decay", ((optimizer, "adamw"),)),
        (f"{optimizer}.sgd.lr", ((optimizer, "sgd"),)),
        (f"{optimizer}.sgd.momentum", ((optimizer, "sgd"),)),
    ]
    assert design.parameters[4].domain == Choice(["adamw", "sgd"])


def test_nested_choices_carry_all_conditions():
    groups = space_of(NESTED).parameters[-1]
    assert groups == Parameter(
        "net.cnn.norm.group.groups", Int(2, 4), (("net", "cnn"), ("net.cnn.norm", "group"))
    )


def test_order_of_sections_in_the_file_does_not_matter(tmp_path, design):
    lines = DESIGN.splitlines(keepends=True)
    moved = "".join([lines[-2], lines[-1], lines[0], lines[5], *lines[1:5], *lines[6:-2]])
    assert load_text(tmp_path, moved).space == design


def test_active_follows_the_choices(design):
    names = [parameter.name for parameter in design.active({"train.optimizer": "sgd"})]
    assert names[-2:] == ["train.optimizer.sgd.lr", "train.optimizer.sgd.momentum"]
    assert not any("adamw" in name for name in names)


@pytest.mark.parametrize("seed", range(20))
def test_walk_draws_what_check_accepts(seed):
    rng = random.Random(seed)
    space = space_of(NESTED)

    def draw(parameter):
        domain = parameter.domain
        if isinstance(domain, Choice):
            return rng.choice(domain.options)
        return rng.uniform(domain.low, domain.high) if isinstance(domain, Float) else domain.high

    params = space.walk(draw)
    space.check(params)
    assert set(params) == {parameter.name for parameter in space.active(params)}


def test_corners_pair_all_values():
    space = space_of(NESTED)
    corners = list(space.corners())
    for params in corners:
        space.check(params)
    pairs = {(params["lr"], params.get("net.cnn.norm.group.groups")) for params in corners}
    assert {(low, groups) for low in (1e-5, 1e-1) for groups in (2, 3, 4)} <= pairs


def test_an_empty_space_has_one_corner():
    assert list(Space(()).corners()) == [{}]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"model.dropuot": 0.1}, "'model.dropuot' is not a parameter .*; did you mean 'model.dropout'"),
        ({"model.dropout": 0.7}, r"model.dropout must lie in \{'float': \[0.0, 0.5\]\}; found 0.7"),
        ({"train.optimizer": "adam"}, "train.optimizer must lie in .*; found 'adam'"),
        ({"train.optimizer.sgd.lr": 0.1}, "only exists where train.optimizer is 'sgd'"),
    ],
)
def test_check_refuses(design, changes, match):
    with pytest.raises(ExperimentError, match=match):
        design.check(ADAMW | changes)


def test_check_misses_a_value(design):
    design.check(ADAMW)
    with pytest.raises(ExperimentError, match="model.depth needs a value in .*; found none"):
        design.check({name: value for name, value in ADAMW.items() if name != "model.depth"})


def test_names_must_differ():
    with pytest.raises(ExperimentError, match="must differ; found 'a.b' twice; rename a key"):
        space_of({"a.b": Int(1, 2), "a": {"b": Int(1, 2)}})
