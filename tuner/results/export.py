"""A trained model outside its experiment: weights, configuration and preprocessing in one folder.

    best.export("best/")                                  # writes weights.pt, model.json, and config.json
    ExportedModel.open("best/").predict(read_inputs(...)) # one readable mapping a row

A pretrained model's own config.json stands in for its folder. `model.json` is data only, weights are read
with `weights_only`: an export from elsewhere cannot run code.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuner import models, tasks
from tuner.data import Manifest, Split, prepare, preprocess, tokens
from tuner.errors import ResultsError
from tuner.records.confirmation import Estimate
from tuner.records.files import atomic_write
from tuner.records.paths import ExperimentPaths
from tuner.records.versions import read_versions
from tuner.spec import Experiment
from tuner.spec.sections import PretrainedSpec, TrialSpec
from tuner.tasks.base import Task
from tuner.tasks.continuation import continue_text
from tuner.training.evaluation import evaluate
from tuner.training.ranks import Ranks

ROWS, ROWS_OF_TOKENS, SAMPLES = 1024, 64, 500_000
"""Rows, or samples of waves, a forward pass outside training; tokens become vectors, or as many numbers as
the vocabulary has, and five samples a vector."""


class _Prepared:
    """New rows as training had them; a `tuner.tasks.base.Preparation`."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._tokenizer = None if manifest.tokenizer is None else tokens.from_json(manifest.tokenizer)

    @property
    def max_length(self) -> int:
        (max_length,) = self._manifest.input_shape
        return max_length

    @property
    def padding(self) -> int:
        return self._of_texts.padding

    @property
    def unknown(self) -> int | None:
        return self._of_texts.unknown

    def rows(self, raw: np.ndarray) -> np.ndarray:
        return preprocess(raw, self._manifest, self._tokenizer)

    def encode(self, text: str) -> Sequence[int]:
        encoded: list[int] = self._of_texts.encode(text).tolist()
        return encoded

    def decode(self, tokens: Sequence[int]) -> str:
        return self._of_texts.decode(tokens)

    @property
    def _of_texts(self) -> tokens.Tokenizer:
        assert self._tokenizer is not None, self._manifest.task
        return self._tokenizer


@dataclass(frozen=True)
class ExportedModel:
    """A trained network with all that turns raw rows into predictions. Runs in fp32 on the CPU."""

    spec: TrialSpec
    manifest: Manifest
    network: torch.nn.Module

    @classmethod
    def open(cls, folder: str | Path) -> "ExportedModel":
        """Reads an export.

        Raises:
            ResultsError: `folder` holds none, or a damaged one.
        """
        folder = Path(folder)
        if not (folder / "model.json").is_file():
            is_experiment = ExperimentPaths(folder).experiment_yaml.is_file()
            fix = f"{folder} --export best" if is_experiment else f"DIR --export {folder}"
            raise ResultsError(
                f"an exported model is a folder with model.json and weights.pt, but {folder} is none; "
                f"make one with `tuner best {fix}`."
            )
        try:
            content = json.loads((folder / "model.json").read_bytes())
            spec = TrialSpec.model_validate_json(json.dumps(content["spec"]))
            manifest = Manifest.from_json(json.dumps(content["manifest"]))
            is_pretrained = isinstance(spec.model, PretrainedSpec)
            config = json.loads((folder / "config.json").read_bytes()) if is_pretrained else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise _damaged(folder / "model.json", error) from error
        return cls._load(spec, manifest, folder / "weights.pt", config)

    @classmethod
    def of_trial(
        cls,
        experiment: Experiment,
        params: Mapping[str, Any],
        paths: ExperimentPaths,
        number: int,
        seed: int | None = None,
        manifest: Manifest | None = None,
    ) -> "ExportedModel":
        """The kept weights of a trial of an experiment.

        Args:
            seed: that of a fresh run.
            manifest: of its data, where that is known; else it is prepared, or found prepared.
        """
        spec = _spec(experiment, params, seed)
        if manifest is None:
            manifest = prepare(spec.data, spec.task, paths.store_root, read_versions(paths)).manifest
        return cls._load(spec, manifest, _weights(paths, number), _config(spec))

    @property
    def task(self) -> Task:
        return tasks.get(self.spec.task, self.spec.train, self.manifest)

    @torch.no_grad()
    def predict(self, features: np.ndarray) -> list[dict[str, Any]]:
        """For raw rows [rows, *input_shape], texts [rows], or pairs of texts [rows, 2], one mapping each.

        Label and probability, or value; of a language model the text with which it goes on; a translation.
        """
        task, prepared = self.task, _Prepared(self.manifest)
        parts = _parts(features, _rows(self.manifest))
        return [row for part in parts for row in task.predict(self.network, part, prepared)]

    @torch.no_grad()
    def probabilities(self, features: np.ndarray) -> np.ndarray | None:
        """[rows, classes] for raw rows, as `predict` takes them; None: the task tells no classes."""
        if self.manifest.class_names is None:
            return None
        rows = torch.from_numpy(_Prepared(self.manifest).rows(features))
        return self.task.examine(self.network(rows), torch.zeros(len(rows)))["probabilities"]

    @torch.no_grad()
    def examine(self, split: Split, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What the task tells of these rows of a prepared split, at least one; see `Task.examine`."""
        task, found = self.task, []
        for chosen in _parts(rows, _rows(self.manifest)):
            x, y = (part.take(chosen, axis=0) for part in split)
            inputs, targets = task.batch(x, y, torch.device("cpu"), torch.float32)
            found.append(task.examine(self.network(inputs), targets))
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    def continue_text(self, prompt: str, **options: Any) -> str:
        """Of a language model: what follows `prompt`; `options` as in `tuner.tasks.continuation`."""
        return continue_text(self.network, _Prepared(self.manifest), prompt, **options)

    @classmethod
    def _load(
        cls, spec: TrialSpec, manifest: Manifest, weights: Path, config: dict[str, Any] | None
    ) -> "ExportedModel":
        task = tasks.get(spec.task, spec.train, manifest)
        shape = models.DataShape.of(manifest)
        network = models.build(
            spec.model, shape, task.num_outputs, per_token=task.is_per_token, config=config
        )
        try:
            network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except Exception as error:
            # What torch raises for a damaged file depends on the place of the damage.
            raise _damaged(weights, error) from error
        return cls(spec, manifest, network.float().eval())


def export(
    experiment: Experiment,
    params: Mapping[str, Any],
    paths: ExperimentPaths,
    number: int,
    out: Path,
    seed: int | None = None,
) -> Path:
    """Writes the trial's kept weights, its configuration and its preprocessing to the folder `out`.

    Args:
        seed: that of a fresh run; None: the configuration's own.

    Raises:
        ResultsError: `out` holds something already, or the trial kept no weights.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ResultsError(f"an export needs a new or empty folder, but {out} is not; choose another.")
    weights = _weights(paths, number)
    spec = _spec(experiment, params, seed)
    manifest = prepare(spec.data, spec.task, paths.store_root, read_versions(paths)).manifest
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, out / "weights.pt")
    config = _config(spec)
    if config is not None:
        atomic_write(out / "config.json", json.dumps(config, indent=2) + "\n")
    content = {
        "experiment": experiment.name,
        "trial": number,
        "params": dict(params),
        "spec": spec.model_dump(mode="json"),
        "manifest": json.loads(manifest.to_json()),
    }
    atomic_write(out / "model.json", json.dumps(content, indent=2) + "\n")
    return out


def measure(
    experiment: Experiment, params: Mapping[str, Any], paths: ExperimentPaths, number: int, split: str
) -> dict[str, float]:
    """Metrics of a trial's kept weights on a split of its own data; none where that has no rows."""
    spec = experiment.resolve(params)
    store = prepare(spec.data, spec.task, paths.store_root, read_versions(paths))
    if store.manifest.sizes[split] == 0:
        return {}
    model = ExportedModel.of_trial(experiment, params, paths, number)
    rows = _rows(model.manifest)
    return evaluate(
        model.network, model.task, store.split(split), Ranks(), micro_batch=rows, dtype=torch.float32
    )


def measure_runs(
    experiment: Experiment,
    params: Mapping[str, Any],
    paths: ExperimentPaths,
    runs: Sequence[int],
    split: str,
) -> dict[str, Estimate]:
    """Mean and standard error of the runs' kept weights on a split; none where that has no rows.

    When an experiment confirms, the test split is measured for the winner only: choosing by it would make it
    a second validation split.
    """
    measured = [measure(experiment, params, paths, number, split) for number in runs]
    return {name: Estimate.of(metrics[name] for metrics in measured) for name in measured[0]}


def _spec(experiment: Experiment, params: Mapping[str, Any], seed: int | None) -> TrialSpec:
    spec = experiment.resolve(params)
    return spec if seed is None else spec.with_seed(seed)


def _config(spec: TrialSpec) -> dict[str, Any] | None:
    return models.read_config(spec.model) if isinstance(spec.model, PretrainedSpec) else None


def _rows(manifest: Manifest) -> int:
    if manifest.are_waves:
        return max(1, SAMPLES // math.prod(manifest.input_shape))
    return ROWS if manifest.tokenizer is None else ROWS_OF_TOKENS


def _weights(paths: ExperimentPaths, number: int) -> Path:
    weights = paths.trial(number).best_checkpoint / "weights.pt"
    if not weights.is_file():
        raise ResultsError(
            f"a trial keeps its best weights, but {weights} is missing; wait where it still trains, else "
            "train it again."
        )
    return weights


def _damaged(file: Path, error: Exception) -> ResultsError:
    found = (str(error).splitlines() or [""])[0]
    return ResultsError(
        f"a kept model must be as it was written, but {file} is damaged ({type(error).__name__}: {found}); "
        "export it again, or put back a copy of it"
    )


def _parts(x: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    return (x[start : start + rows] for start in range(0, len(x), rows))
