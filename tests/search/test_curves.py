"""Curves to replay: the table's nearest neighbour, the function, their references, and every wrong input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.errors import TunerError
from tuner.search.curves import (
    FunctionCurves,
    TableCurves,
    draw_params,
    load_function,
    load_table,
    reference_of,
)
from tuner.spec.domains import Choice, Float, Int
from tuner.spec.space import space_of
from tuner.spec.space_file import load_template

TEMPLATE = {"width": Int(1, 11), "lr": Float(1e-4, 1.0, log=True)}
VALUES = np.array([[1e-4, 1], [1e-2, 1], [1.0, 11]])
"""In the table's order: lr, width."""
CURVES = np.arange(3 * 4 * 2, dtype=np.float32).reshape(3, 4, 2)


def spoilt(value: float) -> np.ndarray:
    values = VALUES.copy()
    values[1, 1] = value
    return values


def write_table(path: Path, **changes: Any) -> Path:
    arrays: dict[str, Any] = {
        "hp_names": np.array(["lr", "width"]),
        "metric_names": np.array(["loss", "error"]),
        "hp__one": VALUES,
        "curve__one": CURVES,
        "hp__other": VALUES,
        "curve__other": -CURVES,
    } | changes
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def table(tmp_path: Path, task: str = "one", metric: str = "error") -> TableCurves:
    return load_table(write_table(tmp_path / "table.npz"), task, metric, TEMPLATE)


def test_a_row_of_the_table_is_answered_by_itself(tmp_path: Path) -> None:
    curves = table(tmp_path)
    for (lr, width), recorded in zip(VALUES, CURVES, strict=True):
        np.testing.assert_array_equal(curves.curve({"lr": lr, "width": width}), recorded[:, 1])
    assert curves.num_steps == 4


def test_task_and_metric_are_those_named(tmp_path: Path) -> None:
    curves = table(tmp_path, "other", "loss")
    np.testing.assert_array_equal(curves.curve({"lr": 1.0, "width": 11}), -CURVES[2, :, 0])


def test_distances_are_taken_in_the_unit_cube(tmp_path: Path) -> None:
    curves = table(tmp_path)
    # In plain numbers 4e-3 is nearer to 1e-4; in the logarithm, nearer to 1e-2.
    np.testing.assert_array_equal(curves.curve({"lr": 4e-3, "width": 1}), CURVES[1, :, 1])
    # The width's range is as long as that of the learning rate.
    np.testing.assert_array_equal(curves.curve({"lr": 1e-2, "width": 9}), CURVES[2, :, 1])


def test_a_choice_of_numbers_counts_by_position() -> None:
    space = space_of({"batch": Choice([16, 32, 512])})
    curves = TableCurves(space, np.array([[16.0], [512.0]]), np.array([[1.0], [2.0]]))
    assert curves.curve({"batch": 512}) == [2.0]
    assert curves.curve({"batch": 16}) == [1.0]


@pytest.mark.parametrize(("mode", "sign"), [("min", 1.0), ("max", -1.0)])
def test_reference_is_the_best_at_any_step_and_the_median_at_the_last(mode: Any, sign: float) -> None:
    curves = sign * np.array([[0.1, 3.0], [2.0, 1.0], [5.0, 2.0]])
    assert reference_of(curves, mode) == (sign * 0.1, sign * 2.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_diverged_counts_as_the_worst_final_value(bad: float) -> None:
    curves = np.array([[1.0, bad], [4.0, 1.0], [4.0, 7.0]])
    assert reference_of(curves, "min") == (1.0, 7.0)
    assert reference_of(curves, "max") == (7.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "task", "metric", "sentence"),
    [
        ({"hp_names": None}, "one", "loss", "needs the keys hp_names, .* found no hp_names"),
        ({"metric_names": None}, "one", "loss", "found no metric_names"),
        ({"curve__one": None, "curve__other": None}, "one", "loss",
         "table.npz: a table of curves needs .*; found no key that begins with curve__ among hp_names"),
        ({"hp__one": spoilt(np.nan)}, "one", "loss",
         r"hp__one must be finite; found nan as width of row 1 \(1 such rows of 3\); leave them out"),
        ({"hp__one": spoilt(-np.inf)}, "one", "loss", "hp__one must be finite; found -inf as width of row 1"),
        ({"hp__one": VALUES.astype(str)}, "one", "loss", "hp__one must hold numbers; found <U"),
        ({"hp__one": None}, "one", "loss", "found no hp__one; did you mean 'hp__other'"),
        ({}, "oen", "loss", "--task must be one .* found 'oen'; did you mean 'one'\\? allowed: one, other"),
        ({}, None, "loss", "--task must be one that is in the table; found no --task"),
        ({}, "one", "los", "--metric must be one .* did you mean 'loss'"),
        ({"hp__one": VALUES[:2]}, "one", "loss", r"must be \[n, 2\] .* found \[2, 2\] and \[3, 4, 2\]"),
        ({"curve__one": CURVES[..., 0]}, "one", "loss", r"found \[3, 2\] and \[3, 4\]"),
        ({"curve__one": CURVES[:, :0]}, "one", "loss", r"found \[3, 2\] and \[3, 0, 2\]"),
        ({"hp_names": np.array(["lr", "depth"])}, "one", "loss", "found 'width', which is not in .*npz"),
        ({"hp_names": np.array(["lr", "width", "x"]), "hp__one": np.ones((3, 3))}, "one", "loss",
         "found 'x', which is not in --space"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_one_sentence(
    tmp_path: Path, changes: dict[str, Any], task: str, metric: str, sentence: str
) -> None:
    path = write_table(tmp_path / "table.npz", **changes)
    with pytest.raises(TunerError, match=sentence) as raised:
        load_table(path, task, metric, TEMPLATE)
    assert "\n" not in str(raised.value)


def test_a_table_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    write_table(tmp_path / "table.npz")
    with pytest.raises(TunerError, match="--curves must be a readable .* did you mean 'table.npz'"):
        load_table(tmp_path / "tabel.npz", "one", "loss", TEMPLATE)
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(TunerError, match="--curves must be a readable .npz file .*check the path$"):
        load_table(tmp_path / "text.npz", "one", "loss", TEMPLATE)
    (tmp_path / "half.npz").write_bytes((tmp_path / "table.npz").read_bytes()[:400])
    with pytest.raises(TunerError, match="--curves must be a readable .npz file .*check the path$"):
        load_table(tmp_path / "half.npz", "one", "loss", TEMPLATE)
    np.save(tmp_path / "one.npy", CURVES)
    with pytest.raises(TunerError, match="found one array in .*; save it by np.savez"):
        load_table(tmp_path / "one.npy", "one", "loss", TEMPLATE)


def test_text_is_no_column_of_a_table(tmp_path: Path) -> None:
    template = {"lr": Float(1e-4, 1.0), "width": Choice(["a", "b"])}
    with pytest.raises(TunerError, match="holds numbers; found width with the options \\['a', 'b'\\]"):
        load_table(write_table(tmp_path / "table.npz"), "one", "loss", template)


def test_curves_that_all_diverge_are_refused() -> None:
    with pytest.raises(TunerError, match="at least one that ends finite; found none among 2"):
        reference_of(np.array([[1.0, np.nan], [1.0, np.inf]]), "min")


# --- functions ---

CONDITIONAL = {"opt": Choice([{"type": "sgd", "lr": Float(0.1, 1.0)}, {"type": "adam"}]), "depth": 3}


def test_a_function_gets_the_configuration_as_a_training_function_does() -> None:
    seen = []
    curves = FunctionCurves(lambda config: seen.append(config) or [1.0, 2.0], CONDITIONAL)
    curves.curve({"opt": "sgd", "opt.sgd.lr": 0.5})
    assert seen[0] == {"opt": {"type": "sgd", "lr": 0.5}, "depth": 3}
    assert curves.num_steps == 2


def test_a_functions_reference_is_that_of_random_draws_unless_it_has_one() -> None:
    def curve(config: dict[str, Any]) -> list[float]:
        return [1.0, config["x"]]

    template = {"x": Float(0.0, 1.0)}
    reference = FunctionCurves(curve, template).reference("min")
    assert reference == FunctionCurves(curve, template).reference("min")
    assert reference.best == pytest.approx(0.0, abs=0.01)
    assert reference.median == pytest.approx(0.5, abs=0.05)
    curve.reference = lambda mode: (0.0, 0.25)
    assert FunctionCurves(curve, template).reference("min") == (0.0, 0.25)


def test_random_configurations_lie_in_the_space() -> None:
    space = space_of({**CONDITIONAL, "n": Int(1, 9, step=2), "m": Int(1, 64, log=True)}
                     | {"p": Float(0.0, 0.9, step=0.3), "q": Float(1e-5, 1.0, log=True)})  # fmt: skip
    rng = np.random.default_rng(0)
    drawn = [draw_params(space, rng) for _ in range(200)]
    for params in drawn:
        space.check(params)
    assert {params["opt"] for params in drawn} == {"sgd", "adam"}
    assert {params["n"] for params in drawn} == {1, 3, 5, 7, 9}


@pytest.mark.parametrize("returned", [3.0, [[1.0], [2.0]], [], None, "text", [1.0, "x"]])
def test_a_function_must_return_one_number_a_step(returned: Any) -> None:
    curves = FunctionCurves(lambda config: returned, {"x": Float(0.0, 1.0)})
    with pytest.raises(TunerError, match="must return one number a step"):
        curves.curve({"x": 0.5})


def test_a_functions_curves_must_be_equally_long() -> None:
    curves = FunctionCurves(lambda config: [1.0] * config["n"], {"n": Int(1, 9)})
    other = 9 if curves.num_steps == 1 else 1
    with pytest.raises(TunerError, match=f"curves must be equally long; found {other} and"):
        curves.curve({"n": other})


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"] + __import__("sys").path)
    (tmp_path / "curves_of_mine.py").write_text("def loss(config):\n    return [config['x'], 0.0]\n")
    (tmp_path / "curves_broken.py").write_text("1 / 0\n")


@pytest.mark.usefixtures("modules")
def test_a_function_is_found_in_the_working_directory() -> None:
    curves = load_function("curves_of_mine:loss", {"x": Float(0.0, 1.0)})
    np.testing.assert_array_equal(curves.curve({"x": 0.5}), [0.5, 0.0])


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("curves_of_nobody:loss", "'curves_of_nobody' cannot be imported \\(ModuleNotFoundError"),
        ("curves_broken:loss", "'curves_broken' cannot be imported \\(ZeroDivisionError"),
        ("curves_of_mine:los", "has no such function; did you mean 'loss'"),
        ("curves_of_mine:", "has no such function"),
        (":loss", "cannot be imported"),
    ],
)
def test_a_function_that_is_none_is_one_sentence(name: str, sentence: str) -> None:
    with pytest.raises(TunerError, match=sentence) as raised:
        load_function(name, {"x": Float(0.0, 1.0)})
    assert "\n" not in str(raised.value)


# --- the space's file ---


def test_a_space_is_a_mapping_of_domains(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("lr: {float: [1.0e-4, 1.0], log: true}\nopt: {momentum: {float: [0, 1]}, depth: 2}\n")
    template = load_template(path)
    assert template == {"lr": Float(1e-4, 1.0, log=True), "opt": {"momentum": Float(0, 1), "depth": 2}}
    assert [parameter.name for parameter in space_of(template).parameters] == ["lr", "opt.momentum"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- 1\n", "a space must be a mapping of name to domain; found \\[1\\]"),
        ("lr: 0.1\n", "a space must hold a domain; found none"),
        (
            "a: 1\nlr: {float: [1, 0]}\n",
            "yaml:2: space.lr is no valid domain: the range of float is empty",
        ),
    ],
)
def test_a_wrong_space_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(TunerError, match=sentence):
        load_template(tmp_path / "space.yaml")
