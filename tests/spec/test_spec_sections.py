import json
import re

import pytest
from pydantic import TypeAdapter, ValidationError
from spec_examples import plain

from tuner.errors import ExperimentError
from tuner.spec import Experiment
from tuner.spec.checking import _check_model
from tuner.spec.sections import (
    Adam,
    Asha,
    AugmentSpec,
    BlockShuffle,
    Cmaes,
    CnnSpec,
    FullShuffle,
    Gp,
    MlpSpec,
    ModelSpec,
    NoScheduler,
    Nsgaii,
    Schedule,
    SearchSpec,
    SklearnSource,
    Split,
    Tpe,
    TrainSpec,
    TrialSpec,
)


def refusal(**changes):
    with pytest.raises(ExperimentError) as caught:
        Experiment.from_dict(plain(**changes))
    return str(caught.value)


def resolved(**changes) -> TrialSpec:
    return Experiment.from_dict(plain(**changes)).resolve({})


def test_defaults():
    spec = resolved()
    assert spec.task == "tabular_classification"
    assert spec.data.source == SklearnSource(name="iris")
    assert spec.data.split == Split(train=0.7, val=0.15, test=0.15, stratify=None, seed=0)
    assert spec.data.standardise
    assert spec.model == MlpSpec(width=64, depth=2, activation="relu", dropout=0, normalisation="none")
    assert spec.train == TrainSpec(epochs=4, batch_size=64, optimizer=Adam(lr=1e-3, betas=(0.9, 0.999)))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("source", [{"type": "csv", "path": "a.csv", "label": "y"}, {"type": "two_class"}])
def test_a_trial_survives_json(optimizer, source):
    spec = resolved(train__optimizer={"type": optimizer, "lr": 1}, data__source=source)
    assert TrialSpec.model_validate_json(spec.model_dump_json()) == spec
    assert TrialSpec.model_validate(spec.model_dump()) == spec
    assert TrialSpec.model_validate_json(json.dumps(spec.model_dump(mode="json"))) == spec
    assert hash(spec) == hash(spec.model_copy())


def test_shorthands():
    assert resolved(train__schedule="cosine").train.schedule == Schedule(type="cosine")
    assert resolved(train__shuffle="block").train.shuffle == BlockShuffle(block_mb=64, window=8)
    assert resolved().train.shuffle == FullShuffle()
    assert SearchSpec(metric="x", mode="min", scheduler="none").scheduler == NoScheduler()
    assert SearchSpec(metric="x", mode="min", scheduler={"type": "asha", "grace": 3}).scheduler == Asha(
        grace=3, factor=3
    )


@pytest.mark.parametrize(
    ("given", "sampler"),
    [
        ("tpe", "tpe"),
        ({"type": "auto"}, "auto"),
        ({"type": "tpe", "startup": 10}, "tpe"),
        ({"type": "tpe", "group": True, "multivariate": True}, Tpe(group=True, multivariate=True)),
        ({"type": "tpe", "multivariate": False, "constant_liar": False, "startup": 3},
         Tpe(multivariate=False, constant_liar=False, startup=3)),
        ({"type": "gp", "startup": 4}, Gp(startup=4)),
        ({"type": "cmaes", "startup": 4, "population": 6}, Cmaes(startup=4, population=6)),
        ({"type": "nsgaii", "population": 20}, Nsgaii(population=20)),
    ],
)  # fmt: skip
def test_a_sampler_is_its_name_until_something_is_switched(given, sampler):
    search = SearchSpec(metric="x", mode="min", sampler=given)
    assert search.sampler == sampler
    assert search.sampler_name == (given if isinstance(given, str) else given["type"])
    assert SearchSpec.model_validate(search.model_dump()) == search
    assert SearchSpec.model_validate_json(search.model_dump_json()) == search


def test_a_switched_sampler_survives_its_file(tmp_path):
    experiment = Experiment.from_dict(plain(search__sampler={"type": "tpe", "startup": 3}))
    (tmp_path / "e.yaml").write_text(experiment.to_yaml())
    assert Experiment.load(tmp_path / "e.yaml") == experiment
    assert experiment.replace(trials=3).search.sampler == Tpe(startup=3)


def test_a_wrong_switch_is_found_in_its_line(tmp_path):
    text = Experiment.from_dict(plain()).to_yaml()
    wrong = text.replace("sampler: auto", "sampler:\n    type: tpe\n    candidates: 3")
    (tmp_path / "e.yaml").write_text(wrong)
    line = wrong.splitlines().index("    candidates: 3") + 1
    with pytest.raises(ExperimentError, match=rf"e\.yaml:{line}: search.sampler.candidates is not a known"):
        Experiment.load(tmp_path / "e.yaml")


@pytest.mark.parametrize(("epochs", "every", "reports"), [(27, 1, 27), (10, 3, 4), (9, 3, 3), (2, 5, 1)])
def test_number_of_reports(epochs, every, reports):
    assert TrainSpec(epochs=epochs, validate_every=every).num_reports == reports


def test_sections_are_frozen_and_strict():
    spec = TrainSpec(epochs=3)
    with pytest.raises(ValidationError):
        spec.epochs = 4
    with pytest.raises(ValidationError):
        CnnSpec(channels="3")


WRONG = [
    (
        {"name": "a/b"},
        "name names a folder and must be up to 100 letters, digits and _-. without a dot in front; "
        "found 'a/b'",
    ),
    ({"name": ".a"}, "found '.a'"),
    ({"name": ""}, "found ''"),
    ({"name": 3}, "found 3"),
    (
        {"task": "regresion"},
        "task must be one of image_classification, tabular_classification, regression, "
        "text_classification, language_modelling, audio_classification, translation; "
        "found 'regresion'; did you mean 'regression'?",
    ),
    (
        {"modle": {}},
        "modle is not a known key of the experiment; did you mean 'model'? allowed: name, task, data,",
    ),
    ({"data": 3}, "data must be a mapping; found 3"),
    (
        {"train__l1": [0.1, 0.2]},
        "train.l1 must be a number; found [0.1, 0.2]; to search among these, write {choice: [0.1, 0.2]}",
    ),
    (
        {"model__activation": ["relu", "gelu"]},
        "found ['relu', 'gelu']; to search among these, write {choice: ['relu', 'gelu']}",
    ),
    ({"data": {}}, "data.source is required; found nothing; add it"),
    (
        {"data__source": {"name": "iris"}},
        "data.source.type is required beside name; found nothing; add one of sklearn",
    ),
    (
        {"data__source": {"nome": "iris"}},
        "data.source.type is required; found nothing; add one of sklearn, csv, jsonl, parquet, npz, two",
    ),
    (
        {"data__source": {"type": None}},
        "data.source.type must be one of sklearn, csv, jsonl, parquet, npz, two_class, labelled_text, text, "
        "parallel_table, parallel_text, image_folder, audio, huggingface; found null",
    ),
    (
        {"data__source": {"type": "sql"}},
        "data.source.type must be one of sklearn, csv, jsonl, parquet, npz, two_class, labelled_text, text, "
        "parallel_table, parallel_text, image_folder, audio, huggingface; found 'sql'",
    ),
    ({"data__source": {"type": ["csv"]}}, "found ['csv']"),
    (
        {"data__source__name": "irsi"},
        "data.source.name must be one of digits, iris, wine, breast_cancer, diabetes; found 'irsi'; "
        "did you mean 'iris'?",
    ),
    (
        {"data__source": {"type": "csv", "label": "y", "path": 3}},
        "data.source.path must be a file, a list of files, or a mapping of train, val and test to such; "
        "found 3; correct it",
    ),
    ({"data__source": {"type": "csv", "label": "y", "path": []}}, "mapping of train, val and test"),
    ({"data__source": {"type": "csv", "label": "y", "path": {"train": "a", "val": [3]}}}, "found [3]"),
    (
        {"data__source": {"type": "csv", "label": "y", "path": {"train": "a.csv"}}},
        "data.source.path needs train and val, and takes test beside them; found train; correct it",
    ),
    (
        {"data__source": {"type": "jsonl", "label": "y", "path": {"train": "a", "val": "b", "tst": "c"}}},
        "found train, val, tst; correct it",
    ),
    (
        {"data__source": {"type": "csv", "label": "y", "path": "x", "features": ["a", "y"]}},
        "data.source needs one use for each column; found 'y' in features and label; name it once",
    ),
    (
        {"data__source": {"type": "csv", "label": "y", "path": "x", "features": ["a"], "drop": ["a"]}},
        "data.source needs one use for each column; found 'a' in features and drop; name it once",
    ),
    (
        {"data__source": {"type": "csv", "label": "y", "path": "x", "features": ["a", "a"]}},
        "data.source needs each feature once; found 'a' twice; name it once",
    ),
    (
        {"data__source": {"type": "csv", "label": "y", "path": "x", "features": []}},
        "data.source needs a column in features; found none; name one or leave features out",
    ),
    (
        {"data__source": {"type": "csv", "label": "y", "path": "x", "drop": ["y"]}},
        "data.source needs its label; found 'y' in drop too; name it once",
    ),
    (
        {"data__clean": {"missing": "maen"}},
        "data.clean.missing must be one of error, drop, mean, median, most_frequent, or a mapping of "
        "constant to text or a number; found 'maen'",
    ),
    ({"data__clean": {"missing": {"constant": None}}}, "found {'constant': None}"),
    (
        {"data__clean": {"outliers": {"method": "quantile", "limit": 0.5}}},
        "data.clean.outliers with method quantile needs limit < 0.5; found 0.5; lower it",
    ),
    ({"data__clean": {"outliers": {"method": "zscore"}}}, "data.clean.outliers.limit is required"),
    ({"data__clean": {"outliers": 3}}, "data.clean.outliers must be a mapping; found 3"),
    (
        {"data__clean": {"duplicates": "dorp"}},
        "data.clean.duplicates must be one of keep, drop; found 'dorp'",
    ),
    ({"data__clean": {"invalid": True}}, "data.clean.invalid must be one of error, drop; found true"),
    (
        {"data__encode": {"categories": "hot"}},
        "data.encode.categories must be one of onehot, ordinal; found 'hot'",
    ),
    ({"data__source": {"type": "csv", "path": "x"}}, "data.source.label is required"),
    (
        {"data__source": {"type": "csv", "path": "x", "label": "y", "delimiter": "--"}},
        "data.source.delimiter must be a single character; found '--'",
    ),
    ({"data__source": {"type": "npz"}}, "data.source.path is required"),
    ({"data__source": {"type": "two_class", "separation": 0}}, "data.source.separation must be > 0; found 0"),
    ({"data__source": {"type": "two_class", "samples": 1}}, "data.source.samples must be >= 2; found 1"),
    (
        {"data__split": {"train": 0.5}},
        "data.split must sum to 1; found 0.8 (train 0.5, val 0.15, test 0.15); with these, test is 0.35",
    ),
    ({"data__split": {"train": 0.8, "val": 0.2}}, "(train 0.8, val 0.2, test 0.15); with these, test is 0"),
    ({"data__split": {"train": 0.9, "val": 0.2}}, "(train 0.9, val 0.2, test 0.15); lower train or val"),
    ({"data__split": {"train": 1, "val": 0, "test": 0}}, "data.split.val must be > 0; found 0"),
    ({"data__split": {"train": 0, "val": 1, "test": 0}}, "data.split.train must be > 0; found 0"),
    ({"data__split__test": -0.1}, "data.split.test must be >= 0; found -0.1"),
    ({"data__standardise": 1}, "data.standardise must be true, false or robust; found 1"),
    (
        {"data__standardize": True},
        "data.standardize is not a known key of data; "
        "did you mean 'standardise'? allowed: audio, clean, encode, image, source, split, standardise",
    ),
    (
        {"model": {"type": "cnnn"}},
        "model.type must be one of mlp, cnn, resnet, rnn, transformer, encoder_decoder, pretrained; "
        "found 'cnnn'; did you mean 'cnn'?",
    ),
    (
        {"model__dropuot": 0.1},
        "model.dropuot is not a known key of model (type mlp); "
        "did you mean 'dropout'? allowed: activation, depth, dropout, normalisation, type, width",
    ),
    ({"model__mlp": 1}, "model.mlp is not a known key of model (type mlp)"),
    ({"model__dropout": 1}, "model.dropout must be < 1; found 1"),
    ({"model__width": "64"}, "model.width must be a whole number; found '64'"),
    ({"model__width": True}, "model.width must be a whole number; found true"),
    ({"model__width": 6.0}, "model.width must be a whole number; found 6.0"),
    ({"model__depth": 0}, "model.depth must be >= 1; found 0"),
    (
        {"model__normalisation": "group"},
        "model.normalisation must be one of none, batch, layer; found 'group'",
    ),
    ({"model": {"type": "cnn", "kernel_size": 4}}, "model.kernel_size must be odd; found 4; use 5"),
    (
        {"model": {"type": "resnet", "depth": 20}},
        "model.depth must be one of 10, 18, 34, 50; found 20",
    ),
    (
        {"model": {"type": "transformer", "width": 130}},
        "model needs a width that is a multiple of heads; found width 130 with heads 4; use width 132",
    ),
    (
        {"model": {"type": "transformer", "width": 20, "positions": "rotary"}},
        "model with positions rotary needs an even width / heads; found 20 / 4 = 5; use width 24",
    ),
    (
        {"model": {"type": "transformer", "tie_embeddings": True}},
        "model with tie_embeddings needs kind decoder; found encoder; change it or drop tie_embeddings",
    ),
    (
        {"model": {"type": "resnet"}},
        "model.type must fit the task tabular_classification; found resnet; allowed: mlp",
    ),
    (
        {"model": {"type": "transformer"}},
        "model.type must fit the task tabular_classification; found transformer; allowed: mlp",
    ),
    ({"train": {}}, "train.epochs is required; found nothing; add it"),
    ({"train__epochs": None}, "train.epochs must be a whole number; found null"),
    ({"train__micro_batch": 0}, "train.micro_batch must be >= 1; found 0"),
    ({"train__optimizer": "adam"}, "train.optimizer must be a mapping; found 'adam'"),
    ({"train__optimizer": {"type": "sgd"}}, "train.optimizer.lr is required"),
    (
        {"train__optimizer": {"type": "sgd", "lr": 0.1, "nesterov": True}},
        "train.optimizer with nesterov needs momentum > 0; found 0; raise it or drop nesterov",
    ),
    (
        {"train__optimizer": {"type": "adam", "betas": [0.9]}},
        "train.optimizer.betas must be a list of two numbers in [0, 1); found [0.9]",
    ),
    ({"train__optimizer": {"type": "adam", "betas": [0.9, 1]}}, "found [0.9, 1]"),
    (
        {"train__optimizer": {"type": "adam", "lr": float("nan")}},
        "train.optimizer.lr must be a finite number; found nan",
    ),
    (
        {"train__optimizer": {"type": "adam", "lr": "fast"}},
        "train.optimizer.lr must be a number; found 'fast'",
    ),
    (
        {"train__schedule": "cosin"},
        "train.schedule.type must be one of constant, cosine, linear; found 'cosin'; did you mean 'cosine'?",
    ),
    ({"train__schedule__warmup": 1}, "train.schedule.warmup must be < 1; found 1"),
    ({"train__schedule__final": 2}, "train.schedule.final must be <= 1; found 2"),
    ({"train__shuffle": "blocks"}, "train.shuffle.type must be one of full, block; found 'blocks'"),
    ({"train__shuffle": {"type": "block", "window": 0}}, "train.shuffle.window must be >= 1; found 0"),
    ({"train__shuffle": {"type": "block", "block_mb": 0}}, "train.shuffle.block_mb must be > 0; found 0"),
    (
        {"train__shuffle": {"type": "full", "window": 2}},
        "train.shuffle.window is not a known key of train.shuffle (type full); allowed: type",
    ),
    ({"train__gradient_clip": 0}, "train.gradient_clip must be > 0; found 0"),
    ({"train__precision": "fp8"}, "train.precision must be one of auto, fp32, bf16, fp16; found 'fp8'"),
    ({"train__zero__stage": 4}, "train.zero.stage must be <= 3; found 4"),
    ({"train__zero__offload": "nvme"}, "train.zero.offload must be one of none, cpu; found 'nvme'"),
    ({"train__early_stop": {}}, "train.early_stop.patience is required"),
    ({"train__early_stop": 3}, "train.early_stop must be a mapping; found 3"),
    ({"train__l1": -1}, "train.l1 must be >= 0; found -1"),
    ({"search": {}}, "search.metric is required"),
    (
        {"search__metric": "val/acuracy"},
        "search.metric is not reported by task tabular_classification; found 'val/acuracy'; "
        "did you mean 'val/accuracy'? allowed: val/accuracy, val/f1, val/loss, train/loss",
    ),
    ({"search__metric": 3}, "search.metric must be text; found 3"),
    ({"search__mode": "min"}, "search.mode must be max for val/accuracy; found min; drop it"),
    ({"search__mode": "most"}, "search.mode must be one of min, max; found 'most'"),
    ({"search__trials": 0}, "search.trials must be >= 1; found 0"),
    ({"search__seed": -1}, "search.seed must be >= 0; found -1"),
    (
        {"search__sampler": "tpee"},
        "search.sampler must be one of auto, random, curve_gp, tpe, bohb, gp, cmaes, nsgaii, qmc, grid, "
        "brute_force; found 'tpee'; did you mean 'tpe'?",
    ),
    (
        {"search__sampler": {"type": "tpee"}},
        "search.sampler.type must be one of auto, random, curve_gp, bohb, qmc, grid, brute_force, tpe, gp, "
        "cmaes, nsgaii; found 'tpee'; did you mean 'tpe'?",
    ),
    (
        {"search__sampler": {"startup": 3}},
        "search.sampler.type is required beside startup; found nothing; add one of tpe, ",
    ),
    ({"search__sampler": 3}, "search.sampler must be one of auto, "),
    (
        {"search__sampler": {"type": "tpe", "multivariat": True}},
        "search.sampler.multivariat is not a known key of search.sampler (type tpe); did you mean "
        "'multivariate'? allowed: constant_liar, group, multivariate, startup, type",
    ),
    (
        {"search__sampler": {"type": "random", "startup": 3}},
        "search.sampler.startup is not a known key of search.sampler; allowed: type",
    ),
    (
        {"search__sampler": {"type": "tpe", "multivariate": "yes"}},
        "search.sampler.multivariate must be 'auto', true or false; found 'yes'",
    ),
    (
        {"search__sampler": {"type": "tpe", "group": True}},
        "search.sampler with group needs multivariate true; found 'auto'; set it or drop group",
    ),
    ({"search__sampler": {"type": "gp", "startup": 0}}, "search.sampler.startup must be >= 1; found 0"),
    ({"search__sampler": {"type": "cmaes", "population": 3}}, "population must be >= 4; found 3"),
    ({"search__sampler": {"type": "nsgaii", "population": "x"}}, "population must be a whole number; found"),
    (
        {"search__scheduler": "ahsa"},
        "extrapolation, freeze_thaw, pbt, pb2; found 'ahsa'; did you mean 'asha'?",
    ),
    ({"search__scheduler": {"type": "asha", "factor": 1}}, "search.scheduler.factor must be >= 2; found 1"),
    (
        {"search__scheduler": {"type": "none", "grace": 1}},
        "search.scheduler.grace is not a known key of search.scheduler (type none); allowed: type",
    ),
    ({"resources__workers": 1.0}, "resources.workers must be a whole number; found 1.0"),
    ({"resources__cpus_per_worker": 0}, "resources.cpus_per_worker must be > 0; found 0"),
    (
        {"resources__gpus_per_worker": "all"},
        "resources.gpus_per_worker must be 'auto', a share of one GPU below 1, or a whole number of GPUs; "
        "found 'all'",
    ),
    (
        {"resources__gpus_per_worker": -1},
        "a whole number of GPUs; found -1",
    ),
    ({"resources__gpus_per_worker": True}, "found true"),
    ({"resources__gpus_per_worker": 1.5}, "a whole number of GPUs; found 1.5"),
    (
        {"resources__shard_cache": {"path": "scratch", "limit_mb": 10}},
        "resources.shard_cache.path must be an absolute path, for each node has its own; found 'scratch'",
    ),
    ({"resources__shard_cache": {"path": "/scratch"}}, "resources.shard_cache.limit_mb is required"),
    (
        {"resources__shard_cache": {"path": "/scratch", "limit_mb": 0}},
        "resources.shard_cache.limit_mb must be > 0; found 0",
    ),
    # between sections
    (
        {"resources__workers": 2, "resources__gpus_per_worker": 0.5},
        "resources.gpus_per_worker may be a share of a GPU in gangs of one worker only, because NCCL refuses "
        "two ranks on one GPU; found 0.5 with resources.workers = 2; use workers 1 or whole GPUs",
    ),
    (
        {"resources__workers": 3},
        "train.batch_size must be a multiple of resources.workers = 3; found 64; use 66",
    ),
    (
        {"resources__workers": 2, "train__micro_batch": 24},
        "train.micro_batch x resources.workers must divide every batch_size; "
        "found 24 x 2 with batch_size 64; choose a divisor of 32",
    ),
    (
        {"train__zero": {"stage": 0, "offload": "cpu"}},
        "train.zero.offload needs a stage that shards the optimizer; found cpu with stage 0; "
        "use stage 1, 2 or 3",
    ),
    (
        {"train__zero": {"stage": 3}, "train__l1": 0.1},
        "train.l1 needs whole weights on each rank; found 0.1 with zero stage 3, which splits them; "
        "use weight_decay, or stage 2",
    ),
    (
        {"train__zero": {"stage": 3}, "train__l2": 0.1},
        "train.l2 needs whole weights on each rank; found 0.1 with zero stage 3",
    ),
    (
        {"train__loss": "mse"},
        "train.loss must fit the task tabular_classification; found mse; allowed: auto, cross_entropy, bce",
    ),
    (
        {"model__type": "cnn"},
        "model.type must fit the task tabular_classification; found cnn; allowed: mlp",
    ),
    (
        {"data__text": {"max_length": 8}},
        "data.text is for tasks that read texts; found it with task tabular_classification; drop it",
    ),
    (
        {
            "task": "text_classification",
            "model__type": "rnn",
            "data__source": {"type": "labelled_text", "path": {"train": "a.tsv", "val": "b.tsv"}},
            "data__split": {"train": 0.5, "val": 0.5, "test": 0.0},
        },
        "data.split is decided by the files of data.source.path; found both; drop one",
    ),
    (
        {
            "data__source": {"type": "csv", "label": "y", "path": {"train": ["a*.csv", "b"], "val": "c"}},
            "data__split": {"seed": 1},
        },
        "data.split is decided by the files of data.source.path; found both; drop one",
    ),
    (
        {
            "data__source": {"type": "csv", "label": "y", "path": {"train": "a.csv", "val": "b.csv"}},
            "data__split": {"train": 0.7, "val": 0.15, "test": 0.15},
        },
        "data.split is decided by the files of data.source.path; found both; drop one",
    ),
    (
        {
            "task": "image_classification",
            "data__source": {"type": "sklearn", "name": "digits"},
            "data__clean": {"missing": "mean"},
        },
        "data.clean is for tabular_classification and regression; found it with task image_classification",
    ),
    (
        {
            "task": "image_classification",
            "data__source": {"type": "sklearn", "name": "digits"},
            "data__encode": {"categories": "ordinal"},
        },
        "data.encode is for tabular_classification and regression; found it with task image_classification",
    ),
    (
        {
            "task": "text_classification",
            "model__type": "rnn",
            "data__source": {"type": "labelled_text", "path": "a.tsv"},
            "data__clean": {"missing": "drop", "duplicates": "drop", "invalid": "drop"},
        },
        "data.clean is for tabular_classification and regression (of labelled_text invalid and duplicates "
        "only); found it with task text_classification; drop it",
    ),
    (
        {
            "task": "language_modelling",
            "model": {"type": "rnn"},
            "data__source": {"type": "text", "path": "a.txt"},
            "data__clean": {"duplicates": "drop"},
        },
        "data.clean is for tabular_classification and regression; "
        "found it with task language_modelling; drop",
    ),
    (
        {"task": "language_modelling", "model": {"type": "rnn"}, "search__metric": "val/loss"},
        "data.source must fit the task; found iris with language_modelling; iris allows: "
        "tabular_classification",
    ),
    (
        {
            "task": "text_classification",
            "model__type": "rnn",
            "data__source": {"type": "labelled_text", "path": "a.tsv"},
            "data__text": {"tokenizer": {"type": "bpe", "vocabulary": 100}},
        },
        "data.text.tokenizer.vocabulary must be >= 257; found 100",
    ),
    (
        {"data__image": {"size": 8}},
        "data.image is for the source image_folder; found it with iris; drop it",
    ),
    (
        {"data__image": {"size": [8, 0]}},
        "data.image.size must be a number of pixels from 1 to 4096, or a list of two, [height, width]; "
        "found [8, 0]",
    ),
    ({"data__image": {"size": True}}, "data.image.size must be a number of pixels from 1 to 4096"),
    ({"data__image": {"mode": "bgr"}}, "data.image.mode must be one of rgb, grey; found 'bgr'"),
    (
        {"train__augment": {"flip": 0.5}},
        "train.augment.flip must fit the task tabular_classification; found 0.5; drop it; "
        "allowed: noise, mixup",
    ),
    (
        {"train__augment": {"token_dropout": {"float": [0.0, 0.2]}}},
        "train.augment.token_dropout must fit the task tabular_classification; found 0.2; drop it",
    ),
    ({"train__augment": {"rotate": 181}}, "train.augment.rotate must be <= 180; found 181"),
    ({"train__augment": {"crop": 1}}, "train.augment.crop must be < 1; found 1"),
    ({"train__augment": {"hue": 181}}, "train.augment.hue must be <= 180; found 181"),
    ({"train__augment": {"saturation": 1.1}}, "train.augment.saturation must be <= 1; found 1.1"),
    ({"train__augment": {"cutout": 1}}, "train.augment.cutout must be < 1; found 1"),
    ({"train__augment": {"flip": 1.5}}, "train.augment.flip must be <= 1; found 1.5"),
    ({"train__augment": {"noise": -1}}, "train.augment.noise must be >= 0; found -1"),
    (
        {"train__augment": {"flipp": 0.5}},
        "train.augment.flipp is not a known key of train.augment; did you mean 'flip'?",
    ),
    (
        {"data__source__name": "diabetes"},
        "data.source must fit the task; found diabetes with tabular_classification; "
        "diabetes allows: regression",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_values(changes, sentence):
    message = refusal(**changes)
    assert sentence in message
    assert "\n" not in message


def of_images(**changes):
    source = {"type": "image_folder", "path": "pictures"}
    return {"task": "image_classification", "data__source": source, "model__type": "cnn"} | changes


def test_a_folder_of_images():
    usual = resolved(**of_images())
    assert usual.data.image is None
    assert usual.train.augment == AugmentSpec()
    spec = resolved(
        **of_images(
            data__image={"size": [20, 30], "mode": "grey"},
            data__clean={"invalid": "drop"},
            train__augment={"rotate": 10, "flip": 0.5, "time_mask": 0.1},
        )
    )
    assert (spec.data.image.size, spec.data.image.mode) == ((20, 30), "grey")
    assert resolved(**of_images(data__image={"size": 8})).data.image.size == (8, 8)
    unsized = resolved(**of_images(data__image={"mode": "grey", "size": None}))
    for each in (usual, spec, unsized):
        assert TrialSpec.model_validate_json(each.model_dump_json()) == each
    assert (spec.train.augment.rotate, spec.train.augment.flip, spec.train.augment.scale) == (10, 0.5, 0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"data__clean": {"duplicates": "drop"}},
            "data.clean is for tabular_classification and regression (of image_folder invalid only); found",
        ),
        (
            {"data__encode": {"categories": "ordinal"}},
            "data.encode is for tabular_classification and regression; found",
        ),
        (
            {"data__source": {"type": "image_folder", "path": {"train": "a"}}},
            "data.source.path must be a path, or a mapping of train and val, and test where there is one, to "
            "such; found {'train': ",
        ),
        (
            {
                "data__source": {"type": "image_folder", "path": {"train": "a", "val": "b"}},
                "data__split": {"seed": 1},
            },
            "data.split is decided by the files of data.source.path; found both; drop one",
        ),
        (
            {"train__augment": {"token_dropout": 0.1}},
            "train.augment.token_dropout must fit the task image_classification; found 0.1; drop it; "
            "allowed: rotate, scale, translate, flip, brightness,",
        ),
    ],
)
def test_wrong_for_images(changes, sentence):
    assert sentence in refusal(**of_images(**changes))


@pytest.mark.parametrize(
    "path",
    [
        {"type": {"train": "a"}},
        {"train": "a", "val": None},
        {"train": "a", "val": "b", "vall": "c"},
        ["a"],
        3,
    ],
)
def test_a_path_or_one_a_split(path):
    source = {"type": "image_folder", "path": path}
    message = refusal(task="image_classification", model={"type": "cnn"}, data={"source": source})
    assert message.startswith(
        "data.source.path must be a path, or a mapping of train and val, and test where "
    )
    assert "\n" not in message


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ({"train": "a"}, "needs train and val, and takes test beside them; found train; correct it"),
        (
            {"train": "a", "val": None},
            "must be a file, a list of files, or a mapping of train, val and test to ",
        ),
        (
            [],
            "must be a file, a list of files, or a mapping of train, val and test to such; found []; correct",
        ),
        (
            3,
            "must be a file, a list of files, or a mapping of train, val and test to such; found 3; correct",
        ),
    ],
)
@pytest.mark.parametrize(
    ("source", "task", "model"),
    [
        ("labelled_text", "text_classification", "rnn"),
        ("text", "language_modelling", "rnn"),
        ("parallel_table", "translation", "encoder_decoder"),
        ("npz", "image_classification", "cnn"),
    ],
)
def test_files_or_those_of_splits(source, task, model, path, sentence):
    message = refusal(task=task, model={"type": model}, data={"source": {"type": source, "path": path}})
    assert message.startswith(f"data.source.path {sentence}")
    assert "\n" not in message


def test_augmentation_of_recordings():
    heard = {
        "task": "audio_classification",
        "data__source": {"type": "audio", "path": "recordings"},
        "model": {"type": "cnn"},
    }
    masked = {"time_mask": 0.2, "frequency_mask": 0.2, "noise": 0.1, "mixup": 0.2}
    assert resolved(**heard, train__augment=masked).train.augment.time_mask == 0.2
    assert (
        "train.augment.flip must fit the task audio_classification; found 1; drop it; allowed: time_m"
        in refusal(**heard, train__augment={"flip": 1})
    )


def test_texts_are_cleaned_of_duplicates_and_invalid_rows():
    clean = {"duplicates": "drop", "invalid": "drop"}
    for source in (
        {"type": "labelled_text", "path": "a.tsv"},
        {"type": "huggingface", "name": "some/set", "text": "text", "label": "label"},
    ):
        texts = {"task": "text_classification", "model": {"type": "rnn"}, "data__source": source}
        assert resolved(**texts, data__clean=clean).data.clean.duplicates == "drop"


def test_augmentation_of_texts():
    texts = {
        "task": "text_classification",
        "data__source": {"type": "labelled_text", "path": "a.tsv"},
        "model": {"type": "rnn"},
    }
    assert resolved(**texts, train__augment={"token_dropout": 0.1}).train.augment.token_dropout == 0.1
    assert "train.augment.mixup must fit the task text_classification; found 0.2; drop it; " in refusal(
        **texts, train__augment={"mixup": 0.2}
    )


REGRESSION = {
    "task": "regression",
    "data__source__name": "diabetes",
    "search__metric": "val/r2",
}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"train__loss": "bce"}, "train.loss must fit the task regression; found bce; allowed: auto, "),
        ({"train__label_smoothing": 0.1}, "label_smoothing needs the loss cross_entropy or bce; found 0.1"),
        ({"data__split__stratify": True}, "data.split.stratify needs classes; found true with task"),
        ({"search__metric": "val/accuracy"}, "search.metric is not reported by task regression"),
    ],
)
def test_wrong_for_regression(changes, sentence):
    assert resolved(**REGRESSION).task == "regression"
    assert sentence in refusal(**(REGRESSION | changes))


@pytest.mark.parametrize("section", ["name", "task", "data", "model", "train", "search"])
def test_missing_sections(section):
    tree = plain()
    del tree[section]
    with pytest.raises(ExperimentError, match=f"^{section} (is required; found nothing|.*found null)"):
        Experiment.from_dict(tree)


def audio(**changes):
    source = {"type": "audio", "path": "rec/*.wav", "pattern": "{label}_{who}"}
    return {"task": "audio_classification", "data__source": source, "model__type": "cnn"} | changes


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"data__source": {"type": "audio", "path": "rec", "pattern": "{who}"}},
            "must have a part {label}; found",
        ),
        (
            {"data__source__pattern": "{label}{who}"},
            "pattern must name its parts as {name}, each once and with",
        ),
        (
            {"data__source__pattern": "{label}_{who}_{who}"},
            "with text between two of them; found '{label}_{who}_",
        ),
        ({"data__source__pattern": "{label}_{my who}"}, "pattern must name its parts as {name}"),
        ({"data__source__pattern": "{label}/{who}"}, "pattern must name its parts as {name}"),
        (
            {"data__source__pattern": 3},
            "data.source.pattern must be text such as '{label}_{speaker}'; found 3",
        ),
        ({"data__source__path": "rows.csv"}, "takes its labels from a table or from pattern; found both"),
        (
            {"data__source__path": ["rows.csv", "rec"]},
            "needs tables (.csv) or recordings; found both in path",
        ),
        (
            {"data__split": {"group": "speaker"}},
            "must be a part of data.source.pattern; found 'speaker'; beside",
        ),
        ({"data__split": {"group": "label"}}, "found 'label'; beside label: who"),
        ({"data__split": {"group": "who", "stratify": True}}, "found group and stratify; drop one"),
        (
            {"data__source__path": {"train": "a", "val": "b"}, "data__split": {"group": "who"}},
            "data.split is decided by the files of data.source.path; found both; drop one",
        ),
        (
            {"data__clean": {"missing": "mean"}},
            "data.clean is for tabular_classification and regression (of audio invalid only); found",
        ),
        (
            {"data__text": {"max_length": 8}},
            "data.text is for tasks that read texts; found it with task audio_",
        ),
        ({"data__audio": {"mels": 0}}, "data.audio.mels must be >= 1; found 0"),
        (
            {"data__audio": {"hop_ms": 30.0}},
            "data.audio needs hop_ms <= window_ms, or it skips sound; found 30 and",
        ),
        ({"data__audio": {"max_seconds": 0.02}}, "and max_seconds for one window; found 400, 160 and 0.02 s"),
        (
            {"data__audio": {"window_ms": 0.05, "hop_ms": 0.05}},
            "needs a window of at least 2 samples, a hop of at",
        ),
        (
            {"data__audio": {"mels": 200}},
            "found 200 mels, of which number 1 has none of its 257 steps; lower mels",
        ),
        (
            {"train__loss": "mse"},
            "train.loss must fit the task audio_classification; found mse; allowed: auto",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_wrong_for_recordings(changes, sentence):
    assert resolved(**audio()).task == "audio_classification"
    assert sentence in refusal(**audio(**changes))


@pytest.mark.parametrize("model", ["mlp", "cnn", "resnet", "rnn", "transformer"])
def test_every_model_hears(model):
    assert resolved(**audio(model__type=model, data__clean={"invalid": "drop"})).model.type == model


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"data__audio": {}},
            "data.audio is for tasks that hear recordings; found it with task tabular_class",
        ),
        (
            {"data__split": {"group": "who"}},
            "data.split.group is for recordings; found it with source sklearn",
        ),
    ],
)
def test_what_only_recordings_have(changes, sentence):
    assert sentence in refusal(**changes)


def test_spectrograms_can_be_searched():
    spectrogram = {
        "mels": {"choice": [32, 64]},
        "window_ms": {"float": [20.0, 40.0]},
        "hop_ms": {"float": [8.0, 16.0]},
        "sample_rate": {"choice": [8000, 16000]},
        "max_seconds": {"float": [0.5, 1.0]},
    }
    experiment = Experiment.from_dict(plain(**audio(data__audio=spectrogram)))
    names = {parameter.name for parameter in experiment.space.parameters}
    assert names >= {f"data.audio.{key}" for key in spectrogram}


TOKEN_RULES = [
    ("image_classification", {"type": "rnn"}, "type must fit the task image_classification; found rnn; "),
    ("text_classification", {"type": "mlp"}, "type must fit .* found mlp; allowed: rnn, transformer"),
    ("language_modelling", {"type": "cnn"}, "type must fit .* found cnn; allowed: rnn, transformer"),
    ("language_modelling", {"type": "rnn", "bidirectional": True}, "bidirectional must be false for task"),
    ("language_modelling", {"type": "transformer"}, "kind must be decoder for task language_modelling"),
    (
        "text_classification",
        {"type": "transformer", "kind": "decoder", "tie_embeddings": True},
        "tie_embeddings needs task language_modelling; found true with task text_classification",
    ),
]


@pytest.mark.parametrize(("task", "model", "sentence"), TOKEN_RULES, ids=str)
def test_models_that_do_not_fit_the_task(task, model, sentence):
    section = TypeAdapter(ModelSpec).validate_python(model)
    (found,) = [f"{path[-1]} {rest}" for path, rest in _check_model(task, section)]
    assert re.search(sentence, found)


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("image_classification", {"type": "resnet"}),
        ("text_classification", {"type": "rnn", "bidirectional": True}),
        ("text_classification", {"type": "transformer"}),
        ("language_modelling", {"type": "rnn"}),
        ("language_modelling", {"type": "transformer", "kind": "decoder", "tie_embeddings": True}),
    ],
    ids=str,
)
def test_models_that_fit_the_task(task, model):
    assert not list(_check_model(task, TypeAdapter(ModelSpec).validate_python(model)))


def test_tables_cleaning_and_encoding_survive_a_file():
    source = {"type": "csv", "label": "y", "path": {"train": ["/a*.csv", "/b"], "val": "/c"}, "drop": ["id"]}
    clean = {"missing": {"constant": 0}, "outliers": {"method": "zscore", "limit": 3}, "duplicates": "drop"}
    spec = resolved(data__source=source, data__clean=clean, data__encode={"categories": "ordinal"})
    assert TrialSpec.model_validate_json(spec.model_dump_json()) == spec
    assert TrialSpec.model_validate(spec.model_dump()) == spec
    assert spec.data.source.path.train == ["/a*.csv", "/b"]


def test_how_data_is_prepared_can_be_searched():
    experiment = Experiment.from_dict(
        plain(
            data__standardise={"choice": [True, "robust"]},
            data__clean={
                "missing": {"choice": ["mean", "median", {"constant": 0}]},
                "outliers": {"choice": ["none", {"method": "zscore", "limit": {"float": [2, 5]}}]},
            },
        )
    )
    names = [parameter.name for parameter in experiment.space.parameters]
    assert "data.clean.missing" in names
    assert "data.clean.outliers.1.limit" in names
    for params in experiment.space.corners():
        outliers = experiment.resolve(params).data.clean.outliers
        assert (outliers is None) == (params["data.clean.outliers"] == "none")
