import os
import pickle
import random
import subprocess
import sys

import pytest
from spec_examples import ADAMW, DESIGN, load_text, plain

from tuner.errors import ExperimentError
from tuner.spec import Choice, Experiment, Float, Int, Space
from tuner.spec.sections import AdamW, CnnSpec, SearchSpec, Sgd


def refusal(**changes):
    with pytest.raises(ExperimentError) as caught:
        Experiment.from_dict(plain(**changes))
    return str(caught.value)


@pytest.fixture
def design(tmp_path):
    return load_text(tmp_path, DESIGN)


# --- the design's example ---


def test_the_design_example(design):
    assert (design.name, design.task, design.function) == ("digits_cnn", "image_classification", None)
    assert design.search == SearchSpec(metric="val/accuracy", mode="max", trials=32, scheduler="asha")
    assert (design.resources.workers, design.resources.gpus_per_worker) == (2, "auto")
    assert design.max_reports == 27


def test_resolve_gives_a_concrete_trial(design):
    spec = design.resolve(ADAMW)
    assert spec.model == CnnSpec(channels=32, depth=2, dropout=0.25)
    assert spec.train.optimizer == AdamW(lr=1e-3, weight_decay=1e-2)
    assert (spec.train.batch_size, spec.train.zero.stage) == (64, 1)


def test_resolve_refuses_what_is_outside_the_space(design):
    with pytest.raises(ExperimentError, match="model.depth must lie in"):
        design.resolve(ADAMW | {"model.depth": 4})


def test_representatives_show_every_option(design):
    specs = list(design.representatives())
    assert {type(spec.train.optimizer) for spec in specs} == {AdamW, Sgd}
    assert {spec.train.batch_size for spec in specs} == {32, 64, 128}
    assert {spec.model.depth for spec in specs} == {1, 2, 3}


def test_mode_comes_from_the_task():
    assert Experiment.from_dict(plain()).search.mode == "max"
    assert Experiment.from_dict(plain(search__metric="val/loss")).search.mode == "min"


# --- the same again: files, copies, pickles ---


def random_domain(rng):
    return rng.choice(
        [
            {"float": sorted([rng.uniform(1e-6, 1e-3), rng.uniform(1e-2, 1.0)]), "log": True},
            {"float": [0.0, 0.5], "step": 0.125},
            {"choice": rng.sample([0.0, 1e-5, 0.25, 0.5, 3], 3)},
            rng.uniform(1e-9, 1e9),
        ]
    )


def random_tree(seed):
    rng = random.Random(seed)
    sgd = {"type": "sgd", "lr": rng.uniform(1e-3, 1.0), "weight_decay": random_domain(rng)}
    betas = {"choice": [[0.9, 0.99], [0.8, rng.random()]]}
    adam = {"type": "adam", "lr": 1e-3, "betas": betas, "weight_decay": random_domain(rng)}
    return plain(
        name=f"e_{seed}.x-y",
        data__source={"type": "csv", "path": f"some folder/{seed}.csv", "label": "1e-4"},
        model__width={"int": [8, 8 * rng.randint(2, 9)], "step": 8},
        train__optimizer={"choice": rng.sample([sgd, adam], rng.randint(1, 2))},
        train__early_stop={"choice": [None, {"patience": {"int": [1, 9]}, "min_delta": random_domain(rng)}]},
        train__l2=random_domain(rng),
        train__schedule={"choice": ["constant", {"type": "cosine", "warmup": {"float": [0.0, 0.5]}}]},
        train__shuffle={"choice": ["full", {"type": "block", "window": {"int": [2, 16]}}]},
        search__seed=rng.randrange(2**32),
        resources__cpus_per_worker=rng.choice([1, 0.5]),
    )


@pytest.mark.parametrize("seed", range(30))
def test_what_is_written_loads_as_the_same(tmp_path, seed):
    experiment = Experiment.from_dict(random_tree(seed))
    again = load_text(tmp_path, experiment.to_yaml())
    assert again == experiment
    assert again.space == experiment.space
    assert again.to_yaml() == experiment.to_yaml()
    assert pickle.loads(pickle.dumps(experiment)) == experiment
    assert list(again.representatives()) == list(experiment.representatives())


def test_the_design_example_written_and_loaded(tmp_path, design):
    assert load_text(tmp_path, design.to_yaml()) == design


def test_what_is_written_names_no_split_where_files_decide(tmp_path):
    files = {"train": "a.csv", "val": "b.csv"}
    experiment = Experiment.from_dict(plain(data__source={"type": "csv", "label": "y", "path": files}))
    assert load_text(tmp_path, experiment.to_yaml()) == experiment
    assert load_text(tmp_path, experiment.replace(trials=3).to_yaml()).search.trials == 3


def test_different_content_is_unequal(tmp_path, design):
    assert load_text(tmp_path, DESIGN, "train.epochs=3") != design
    assert design.replace(trials=3) != design
    assert design.replace() == design


def test_from_dict_takes_domain_objects_and_keeps_the_mapping():
    tree = plain(train__l1=Float(0, 1), model__depth=Int(1, 2))
    experiment = Experiment.from_dict(tree)
    assert experiment == Experiment.from_dict(
        plain(train__l1={"float": [0, 1]}, model__depth={"int": [1, 2]})
    )
    assert tree["train"]["l1"] == Float(0, 1)
    Experiment.from_dict(tree, overrides=["train.epochs=9"])
    assert tree["train"]["epochs"] == 4


def test_an_experiment_is_frozen(design):
    with pytest.raises(AttributeError):
        design.name = "other"


def test_replace(design):
    other = design.replace(name="other", trials=3, workers=1, scheduler="none", storage="sqlite:///x")
    assert (other.name, other.search.trials, other.resources.workers) == ("other", 3, 1)
    assert (other.search.scheduler.type, other.search.storage) == ("none", "sqlite:///x")
    assert other.space == design.space
    assert design.replace(name=None, trials=None) == design


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"trails": 3}, "'trails' is not a field that replace knows; did you mean 'trials'.* allowed: name,"),
        ({"workers": 3}, "train.batch_size must be a multiple of resources.workers = 3"),
        ({"trials": 0}, "search.trials must be >= 1"),
    ],
)
def test_replace_refuses(design, changes, match):
    with pytest.raises(ExperimentError, match=match):
        design.replace(**changes)


# --- the number of reports ---


@pytest.mark.parametrize(
    ("changes", "reports"),
    [
        ({"train__epochs": 10, "train__validate_every": 3}, 4),
        ({"train__epochs": {"int": [1, 9]}, "train__validate_every": {"choice": [4, 1]}}, 9),
        ({"train": {"choice": [{"epochs": 3}, {"epochs": {"int": [5, 7]}, "validate_every": 2}]}}, 4),
    ],
)
def test_max_reports(changes, reports):
    assert Experiment.from_dict(plain(**changes)).max_reports == reports


# --- where a domain may stand ---


def test_a_domain_may_stand_for_a_whole_mapping():
    models = {"choice": [{"type": "mlp", "width": {"int": [1, 9]}}, {"type": "cnn"}]}
    tree = plain(task="image_classification", data__source__name="digits", model=models)
    experiment = Experiment.from_dict(tree)
    assert experiment.resolve({"model": "mlp", "model.mlp.width": 4}).model.width == 4
    assert experiment.resolve({"model": "cnn"}).model == CnnSpec()


def test_lists_are_options_by_their_text():
    betas = {"choice": [[0.9, 0.99], [0.9, 0.999]]}
    experiment = Experiment.from_dict(plain(train__optimizer={"type": "adam", "betas": betas}))
    spec = experiment.resolve({"train.optimizer.betas": "[0.9, 0.99]"})
    assert spec.train.optimizer.betas == (0.9, 0.99)


def test_options_of_different_kinds():
    stop = {"choice": [None, {"patience": {"int": [1, 3]}}]}
    experiment = Experiment.from_dict(plain(train__early_stop=stop))
    assert experiment.resolve({"train.early_stop": None}).train.early_stop is None
    params = {"train.early_stop": "1", "train.early_stop.1.patience": 2}
    assert experiment.resolve(params).train.early_stop.patience == 2


@pytest.mark.parametrize("path", ["name", "task", "search__trials", "search", "resources__workers"])
def test_the_rest_cannot_be_searched(path):
    dotted = path.replace("__", ".")
    message = refusal(**{path: {"choice": [1, 2]}})
    assert message.startswith(
        f"{dotted} cannot be searched, a domain may stand in data, model and train only"
    )
    assert "\n" not in message


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"train__l1": {"float": [1, 0]}},
            "train.l1 is no valid domain: the range of float is empty, low must be below high; found [1, 0]",
        ),
        ({"train__l1": {"float": [0, 1], "stpe": 1}}, "did you mean 'step'? allowed: float, log, step"),
        ({"train__l1": {"choice": []}}, "train.l1 is no valid domain: a choice needs a list"),
        ({"train__l1": {"choice": 3}}, "train.l1 is no valid domain: a choice needs a list"),
        ({"train__l1": {"choice": [{"int": [1, 2]}]}}, "an option of a choice cannot be a domain itself"),
        (
            {"train__optimizer": {"type": "adam", "betas": [{"float": [0, 1]}, 0.9]}},
            "train.optimizer.betas cannot hold a domain, for it is a list",
        ),
        (
            {"train__optimizer": {"choice": [{"type": "sgd", "lr": {"float": [1, 0]}}]}},
            "train.optimizer.sgd.lr is no valid domain",
        ),
        (
            {"train": {3: 4, "epochs": 1}},
            "train must have printable text as keys; found 3; put it into quotes",
        ),
        # found only at the ends or options of a domain
        ({"train__batch_size": {"int": [64, 128]}, "resources__workers": 2}, "found 65; use 66"),
        ({"train__label_smoothing": {"float": [0, 1]}}, "train.label_smoothing must be < 1; found 1.0"),
        ({"train__epochs": {"float": [1, 3]}}, "train.epochs must be a whole number; found 1.0"),
        ({"train__loss": {"choice": ["auto", "mse"]}}, "train.loss must fit the task"),
        (
            {"train__optimizer": {"choice": [{"type": "sgd", "lr": 1, "beta": 1}, {"type": "adma"}]}},
            "train.optimizer.sgd.beta is not a known key of train.optimizer.sgd (type sgd)",
        ),
        (
            {"train__optimizer": {"choice": [{"type": "adma"}, {"type": "sgd", "lr": 1}]}},
            "train.optimizer.adma.type must be one of sgd, adam, adamw; found 'adma'; did you mean 'adam'?",
        ),
        # found only in a pair
        (
            {"train__micro_batch": {"choice": [8, 64]}, "train__batch_size": {"choice": [64, 32]}},
            "train.micro_batch x resources.workers must divide every batch_size; found 64 x 1",
        ),
    ],
)
def test_wrong_domains(changes, sentence):
    assert sentence in refusal(**changes)


def test_what_breaks_a_rule_between_the_ends_is_found_in_the_trial():
    tree = plain(train__batch_size=240, train__micro_batch={"int": [1, 8]})
    experiment = Experiment.from_dict(tree)
    assert experiment.resolve({"train.micro_batch": 6}).train.micro_batch == 6
    with pytest.raises(ExperimentError, match="divide every batch_size; found 7 x 1 with batch_size 240"):
        experiment.resolve({"train.micro_batch": 7})


# --- messages ---


def test_all_errors_at_once_with_their_lines(tmp_path):
    text = DESIGN.replace("dropout:", "dropuot:").replace("epochs: 27", "epochs: 0").replace("task:", "tsak:")
    with pytest.raises(ExperimentError) as caught:
        load_text(tmp_path, text, "train.optimizer.sgd.momentum=1", "resources.worker=2")
    path = tmp_path / "e.yaml"
    lines = str(caught.value).splitlines()
    starts = [
        f"{path}:2: tsak is not a known key of the experiment; did you mean 'task'? allowed: name",
        f"{path}:1: task must be one of image_classification",
        "--set resources.worker: resources.worker is not a known key of resources; did you mean 'workers'?",
        f"{path}:6: model.dropuot is not a known key of model (type cnn); did you mean 'dropout'? allowed",
        f"{path}:8: train.epochs must be >= 1; found 0",
        "--set train.optimizer.sgd.momentum: train.optimizer.sgd.momentum must be < 1; found 1",
    ]
    assert len(lines) == len(starts)
    for start in starts:
        assert any(line.startswith(start) for line in lines), (start, lines)


def test_a_misspelt_override_names_the_nearest(tmp_path):
    with pytest.raises(ExperimentError, match="^--set trian.epochs: trian is not .* did you mean 'train'"):
        load_text(tmp_path, DESIGN, "trian.epochs=3")


def test_overrides_may_be_domains_and_the_later_wins(tmp_path):
    experiment = load_text(tmp_path, DESIGN, "train.epochs=3", "train.epochs={int: [2, 5]}")
    assert experiment.max_reports == 5
    assert "train.epochs" in [parameter.name for parameter in experiment.space.parameters]


@pytest.mark.parametrize(("text", "found"), [("", "null"), ("- 1", r"\[1\]"), ("word", "'word'")])
def test_a_file_must_hold_a_mapping(tmp_path, text, found):
    with pytest.raises(ExperimentError, match=f"must hold a mapping; found {found}"):
        load_text(tmp_path, text)


# --- paths of data files ---


def test_data_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    sources = [
        {"type": "csv", "path": {"choice": ["a.csv", "../b.csv"]}, "label": "path"},
        {"type": "npz", "path": "/c.npz", "labels": "y"},
    ]
    text = Experiment.from_dict(plain(data__source={"choice": sources})).to_yaml().replace("/a.csv", "a.csv")
    folder = tmp_path / "with space"
    folder.mkdir()
    experiment = load_text(folder, text)
    domains = {parameter.name: parameter.domain for parameter in experiment.space.parameters}
    assert domains["data.source.csv.path"] == Choice([str(folder / "a.csv"), "/b.csv"])
    assert experiment.resolve({"data.source": "npz"}).data.source.path == "/c.npz"
    path = str(folder / "a.csv")
    source = experiment.resolve({"data.source": "csv", "data.source.csv.path": path}).data.source
    assert (source.path, source.label) == (path, "path")


def test_data_paths_in_python_are_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree = plain(data__source={"type": "npz", "path": "x.npz"})
    assert Experiment.from_dict(tree).resolve({}).data.source.path == os.path.join(os.getcwd(), "x.npz")


# --- one's own function ---


def train(config, trial):
    yield {"val/loss": 0.0}


SPACE = {
    "lr": Float(1e-5, 1e-1, log=True),
    "layers": [16, 16],
    "net": {"depth": Int(1, 3)},
    "optimizer": Choice([{"type": "sgd", "momentum": Float(0, 0.9)}, {"type": "adam", "betas": (0.9, 0.99)}]),
}


def test_a_function_with_a_space():
    experiment = Experiment(train=train, space=SPACE, metric="val/loss", max_reports=5, workers=2, trials=7)
    assert (experiment.name, experiment.task, experiment.function) == ("train", None, train)
    assert (experiment.search.mode, experiment.search.trials, experiment.search.sampler) == ("min", 7, "auto")
    assert (experiment.max_reports, experiment.resources.workers) == (5, 2)
    assert [p.name for p in experiment.space.parameters] == [
        "lr",
        "net.depth",
        "optimizer",
        "optimizer.sgd.momentum",
    ]
    assert list(experiment.representatives()) == []
    params = {"lr": 0.01, "net.depth": 2, "optimizer": "adam"}
    config = experiment.config(params)
    assert config == {
        "lr": 0.01,
        "layers": [16, 16],
        "net": {"depth": 2},
        "optimizer": {"type": "adam", "betas": [0.9, 0.99]},
    }
    config["layers"].append(1)
    assert experiment.config(params)["layers"] == [16, 16]
    with pytest.raises(AssertionError, match="use config"):
        experiment.resolve(params)


def test_a_function_experiment_copies_and_pickles():
    experiment = Experiment(train=train, space=SPACE, metric="acc", mode="max", name="mine", max_reports=5)
    assert pickle.loads(pickle.dumps(experiment)) == experiment
    assert experiment.space == pickle.loads(pickle.dumps(experiment)).space
    other = experiment.replace(trials=3)
    assert (other.function, other.search.trials, other.max_reports) == (train, 3, 5)
    assert other.replace(trials=32) == experiment


def test_a_function_experiment_is_written_for_the_record(tmp_path):
    experiment = Experiment(train=train, space={"x": Int(1, 2), "fn": len}, metric="loss")
    text = experiment.to_yaml()
    assert f"function: {__name__}:train" in text
    assert "fn: <built-in function len>" in text
    with pytest.raises(ExperimentError, match="cannot hold a training function; found .*:train'; start it"):
        load_text(tmp_path, text)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"train": 3}, "needs a function as train and a mapping as space; found 3 and"),
        ({"space": [1]}, r"needs a function as train and a mapping as space; .* and \[1\]"),
        ({"space": {"a.b": Int(1, 2), "a": {"b": Int(1, 2)}}}, "must differ; found 'a.b' twice"),
        ({"space": {"x": [Int(1, 2)]}}, "space.x cannot hold a domain, for it is a list"),
        ({"space": {3: Int(1, 2)}}, "space must have printable text as keys; found 3"),
        ({"train": lambda config, trial: None}, "name names a folder .* found '<lambda>'"),
        ({"trials": 0}, "search.trials must be >= 1; found 0"),
        ({"mode": "most"}, "search.mode must be one of min, max; found 'most'"),
        ({"scheduler": "hyperbola"}, "search.scheduler.type must be one of .*did you mean 'hyperband'"),
        ({"workers": 0}, "resources.workers must be >= 1"),
        ({"max_reports": 0}, "max_reports must be a whole number >= 1 or None; found 0"),
    ],
)
def test_wrong_function_experiments(changes, match):
    arguments = {"train": train, "space": {"x": Int(1, 2)}, "metric": "loss"} | changes
    with pytest.raises(ExperimentError, match=match):
        Experiment(**arguments)


def test_a_space_may_be_empty():
    assert Experiment(train=train, space={}, metric="loss").space == Space(())


# --- lightness ---


def test_importing_the_room_loads_nothing_heavy():
    heavy = ["torch", "ray", "optuna", "pandas", "numpy"]
    code = f"import sys, tuner.spec; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
