"""`tuner simulate`: what it prints, and every wrong option as one sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_program import Program, tree

NUM_STEPS = 9
SPACE = "x: {float: [0.0, 1.0]}\ny: {float: [0.01, 1.0], log: true}\n"
FUNCTION = f"""
def loss(config):
    return [config["x"] + 1 / step for step in range(1, {NUM_STEPS + 1})]

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a table, a function and a space."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    rng = np.random.default_rng(0)
    values = rng.uniform(0.01, 1.0, (50, 2))
    curves = values[:, :1, None] + np.stack([1 / np.arange(1, NUM_STEPS + 1), -np.arange(NUM_STEPS)], 1)
    np.savez(
        "table.npz",
        hp_names=np.array(["y", "x"]),
        metric_names=np.array(["loss", "gain"]),
        hp__toy=values,
        curve__toy=curves,
    )
    Path("space.yaml").write_text(SPACE)
    Path("simulated_loss.py").write_text(FUNCTION)
    return tmp_path


TABLE = ["simulate", "--curves", "table.npz", "--space", "space.yaml", "--task", "toy", "--metric", "loss"]
COMPUTED = ["simulate", "--curves", "simulated_loss:loss", "--space", "space.yaml"]
QUICK = ["--sampler", "random", "--scheduler", "asha", "--budget", "5"]


def simulate(program: Program, *arguments: Any) -> dict[str, Any]:
    ended = program(*arguments, "--json")
    assert (ended.status, ended.err) == (0, ""), ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


@pytest.mark.usefixtures("folder")
def test_json_holds_what_a_program_needs(program: Program) -> None:
    found = simulate(program, *TABLE, *QUICK, "--seeds", "0,3", "--workers", "2")

    assert found["budgets"] == [1, 2, 5]
    assert [seed["seed"] for seed in found["seeds"]] == [0, 3]
    for seed in found["seeds"]:
        assert seed["reports"] == 5 * NUM_STEPS
        assert len(seed["values"]) == len(seed["regrets"]) == 3
        assert all(0 <= regret <= 1 for regret in seed["regrets"])
        assert sum(seed["states"].values()) == seed["trials"]
        assert set(seed["rungs"]) == {"1", "3"}
        assert seed["ask_seconds"] > 0
        assert set(seed["best_params"]) == {"x", "y"}
    finals = [seed["values"][-1] for seed in found["seeds"]]
    assert found["mean"][-1]["value"]["mean"] == pytest.approx(np.mean(finals))
    assert found["best_known"] <= min(finals)
    assert found["scheduler"]["type"] == "asha"


@pytest.mark.usefixtures("folder")
def test_text_is_a_table_of_means_and_errors(program: Program) -> None:
    ended = program(*TABLE, *QUICK, "--seeds", "2")

    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].split() == ["budget", "loss", "regret"]
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "5"]
    assert all(line.count("+-") == 2 for line in lines[1:4])
    assert "2 seeds, 4 workers" in lines[4]
    assert "0.0% idle" in lines[4]


@pytest.mark.usefixtures("folder")
def test_a_function_is_replayed(program: Program) -> None:
    found = simulate(program, *COMPUTED, *QUICK, "--seeds", "1")
    assert found["steps"] == NUM_STEPS
    assert found["best_known"] == pytest.approx(1 / NUM_STEPS, abs=0.01)
    assert found["median_final"] == pytest.approx(0.5 + 1 / NUM_STEPS, abs=0.05)


@pytest.mark.usefixtures("folder")
def test_defaults_are_auto_and_budgets_may_be_named(program: Program) -> None:
    found = simulate(program, *COMPUTED, "--budgets", "3, 0.5", "--seeds", "7,")
    assert (found["sampler"], found["scheduler"]["type"]) == ("auto", "auto")
    assert found["budgets"] == [0.5, 3]
    assert [seed["seed"] for seed in found["seeds"]] == [7]


@pytest.mark.usefixtures("folder")
def test_the_direction_and_the_schedulers_options_are_heard(program: Program) -> None:
    options = ["--mode", "max", "--metric", "gain", "--scheduler", "{type: asha, grace: 2, factor: 2}"]
    found = simulate(program, *TABLE, *QUICK, *options, "--seeds", "1")
    assert found["best_known"] > found["median_final"]
    assert set(found["seeds"][0]["rungs"]) == {"2", "4", "8"}


@pytest.mark.usefixtures("folder")
def test_the_samplers_switches_are_heard(program: Program) -> None:
    options = ["--budget", "5", "--seeds", "1"]
    switched = simulate(program, *TABLE, *options, "--sampler", "{type: tpe, startup: 3}")
    plain = simulate(program, *TABLE, *options, "--sampler", "{type: tpe}")
    assert (switched["sampler"]["type"], switched["sampler"]["startup"]) == ("tpe", 3)
    assert plain["sampler"] == "tpe"
    assert switched["seeds"][0]["best_params"] != plain["seeds"][0]["best_params"]


@pytest.mark.usefixtures("folder")
def test_the_price_of_asking_can_be_charged(program: Program) -> None:
    slow = [*COMPUTED, *QUICK, "--seeds", "1", "--scheduler", "none", "--budget", "40", "--ask-seconds", "1"]
    [without] = simulate(program, *slow)["seeds"]
    [ahead] = simulate(program, *slow, "--ahead", "4")["seeds"]
    assert without["idle"] > ahead["idle"] > 0


@pytest.mark.usefixtures("folder")
def test_no_regret_is_a_plain_zero(program: Program) -> None:
    ended = program(*TABLE, *QUICK, "--seeds", "1", "--budget", "60", "--scheduler", "none", "--json")
    assert json.loads(ended.out)["seeds"][0]["regrets"][-1] == 0
    assert "-0.0" not in ended.out


def test_the_help_on_trials_speaks_of_no_file(program: Program) -> None:
    text = " ".join(program("simulate", "--help").out.split())
    assert "at most so many trials (default: what the budget holds)" in text
    assert "search.trials" not in text


@pytest.mark.usefixtures("folder")
def test_a_grid_needs_steps(program: Program) -> None:
    ended = program(*COMPUTED, "--sampler", "grid")
    first, second = ended.err.splitlines()
    assert first.startswith(
        "tuner: space.x must have finitely many values for the sampler grid; found {'float'"
    )
    assert second.startswith("space.y must have finitely many values")
    assert (ended.status, ended.out) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([*TABLE, "--curves", "tabel.npz"], "--curves must be a readable .npz file or module:function"),
        ([*TABLE, "--task", "tyo"], "--task must be one that is in the table; found 'tyo'; did you mean"),
        ([*TABLE, "--metric", "lsos"], "--metric must be one that is in the table; found 'lsos'"),
        ([*TABLE, "--space", "spaces.yaml"], "check the path; did you mean 'space.yaml'?"),
        ([*TABLE, "--space", "other.yaml"], "the space must have the table's parameters; found 'z'"),
        ([*COMPUTED, "--curves", "simulated_loss:los"], "has no such function; did you mean 'loss'?"),
        ([*COMPUTED, "--curves", "simulated_loss:number"], "has no such function"),
        ([*COMPUTED, "--curves", "simulated_lost:loss"], "cannot be imported (ModuleNotFoundError"),
        ([*COMPUTED, "--sampler", "gq"], "search.sampler must be one of "),
        ([*COMPUTED, "--sampler", "{type: tpe, start: 3}"], "search.sampler.start is not a known key of "),
        ([*COMPUTED, "--sampler", "{type: tpe"], "--sampler: the text must be valid YAML"),
        ([*COMPUTED, "--scheduler", "ahsa"], "did you mean 'asha'?"),
        ([*COMPUTED, "--scheduler", "{type: asha, factor: 1}"], "search.scheduler.factor must be >= 2"),
        ([*COMPUTED, "--scheduler", "{type: asha"], "--scheduler: the text must be valid YAML"),
        ([*COMPUTED, "--mode", "maximum"], "search.mode must be one of min, max"),
        ([*COMPUTED, "--budget", "5", "--budgets", "5,10"], "found 10 with budget 5"),
        ([*COMPUTED, "--budgets", "5;10"], "--budgets needs numbers that are not negative; found '5;10'"),
        ([*COMPUTED, "--budget", "0"], "--budget must be a number above 0; found 0"),
        ([*COMPUTED, "--budget", "0.1"], "--budget must hold a report, of which a full training has 9"),
        ([*COMPUTED, "--task", "toy"], "--task names a task in an .npz file; found 'toy' with the function"),
        ([*COMPUTED, "--seeds", "0"], "--seeds must be how many, or a list; found '0'"),
        ([*COMPUTED, "--seeds", "1.5"], "--seeds needs whole numbers that are not negative; found '1.5'"),
        ([*COMPUTED, "--workers", "0"], "--workers must be a number above 0"),
        ([*COMPUTED, "--trials", "0"], "--trials must be a number above 0"),
        ([*COMPUTED, "--ask-seconds", "fast"], "--ask-seconds needs numbers that are not negative; found"),
        ([*COMPUTED, "--ahead", "-1"], "--ahead must be 0 or more; found -1"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_sentence(
    program: Program, folder: Path, arguments: list[str], sentence: str
) -> None:
    (folder / "other.yaml").write_text("x: {float: [0, 1]}\nz: {float: [0, 1]}\n")
    before = tree(folder)

    ended = program(*arguments)

    assert ended.err.startswith("tuner: "), ended.err
    assert sentence in ended.err
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert {path for path in tree(folder) if "__pycache__" not in path} == set(before)
