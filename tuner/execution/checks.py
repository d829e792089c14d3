"""What an experiment alone cannot tell: warm starts, cluster, pretrained models, data.

Looked at before anything starts.
"""

from collections.abc import Callable, Iterable

from tuner.data import Manifest, tokens
from tuner.errors import ExperimentError
from tuner.execution.placement import GangSize
from tuner.search.warm_start import earlier_trials
from tuner.spec import Experiment
from tuner.spec.sections import CnnSpec, DataSpec, ImageSpec, PretrainedSpec, ResnetSpec, TrialSpec
from tuner.tasks import RULES


def check_warm_start(experiment: Experiment) -> None:
    """Raises ExperimentError when a folder of `search.warm_start` is no start for this search."""
    earlier_trials(experiment.space, experiment.search)


def check_stop(experiment: Experiment, size: GangSize) -> None:
    """Raises ExperimentError when the search is to stop at GPU hours that will never be spent."""
    limit = experiment.search.stop.gpu_hours
    if limit is not None and size.gpus == 0:
        raise ExperimentError(
            f"search.stop.gpu_hours needs trials that hold GPUs, but found {limit:g} and trials without any; "
            f"use search.stop.hours, or give the trials GPUs with resources.gpus_per_worker and --address."
        )


def check_precision(specs: Iterable[TrialSpec], size: GangSize) -> None:
    """Raises PrecisionError when a trial would ask for fp16 of a CPU that cannot train in it."""
    if size.device_type == "cpu" and any(spec.train.precision == "fp16" for spec in specs):
        # DeepSpeed, which knows the answer, takes five seconds to import.
        from tuner.training.precision import resolve_precision

        resolve_precision("fp16", size.device_type)


def check_pretrained(specs: Iterable[TrialSpec]) -> None:
    """Raises UsageError when a pretrained model is not there, or does not fit tokenizer, rows or tuning.

    Images fit where `data.image` tells their size; else `check_pretrained_images` tells it.
    """
    found = {
        (spec.model.model_dump_json(), spec.data.model_dump_json()): (spec.model, spec.data, spec.task)
        for spec in specs
        if isinstance(spec.model, PretrainedSpec)
    }
    for model, data, task in found.values():
        _check_pretrained(model, data, task)


def _check_pretrained(model: PretrainedSpec, data: DataSpec, task: str) -> None:
    # With torch and transformers it takes seconds to import.
    from tuner import models

    rules = RULES[task]
    if rules.data == "recordings":
        assert data.audio is not None, "the experiment was checked: it has waves"
        models.check_pretrained_waves(model, data.audio.sample_rate, data.audio.num_samples)
        return
    if rules.data == "images":
        models.check_pretrained_images(model, _input_shape(data.image))
        return
    assert data.text is not None, "the experiment was checked: the tokenizer is the model's"
    tokenizer = tokens.fit(data.text.tokenizer, [])
    shape = models.DataShape(
        input_shape=(data.text.max_length,), num_tokens=tokenizer.num_tokens, padding=tokenizer.padding
    )
    models.check_pretrained(model, shape, per_token=rules.targets == "tokens")


def _input_shape(image: ImageSpec | None) -> tuple[int, ...] | None:
    if image is None or image.size is None:
        return None
    return ({"grey": 1, "rgb": 3}[image.mode], *image.size)


def check_pretrained_images(specs: Iterable[TrialSpec], manifest_of: Callable[[DataSpec], Manifest]) -> None:
    """Raises ExperimentError when prepared images do not fit a pretrained model."""
    found = {
        (spec.model.model_dump_json(), shape): (spec.model, shape)
        for spec in specs
        if isinstance(spec.model, PretrainedSpec) and RULES[spec.task].data == "images"
        for shape in [manifest_of(spec.data).input_shape]
    }
    for model, shape in found.values():
        from tuner import models  # as in _check_pretrained

        models.check_pretrained_images(model, shape)


def check_fit(spec: TrialSpec, manifest: Manifest) -> None:
    """Raises ExperimentError when the trial's model, loss or batch does not fit its data."""
    num_rows, num_classes = manifest.sizes["train"], manifest.num_classes
    if spec.train.batch_size > num_rows:
        raise ExperimentError(
            f"train.batch_size must not exceed the training rows, but found {spec.train.batch_size} with "
            f"{num_rows} rows; lower it."
        )
    is_recoloured = spec.train.augment.saturation or spec.train.augment.hue
    if is_recoloured and manifest.input_shape[0] != 3:
        raise ExperimentError(
            f"train.augment.saturation and hue need images of three channels, red, green and blue, but the "
            f"data has rows of shape {manifest.input_shape}; drop them, or use data.image.mode rgb."
        )
    if spec.train.loss == "bce" and num_classes != 2:
        raise ExperimentError(
            f"train.loss bce needs two classes, but the data has {num_classes}; use cross_entropy."
        )
    if isinstance(spec.model, CnnSpec | ResnetSpec) and len(manifest.input_shape) != 3:
        raise ExperimentError(
            f"model.type {spec.model.type} needs images of shape (channels, height, width), but the data has "
            f"rows of shape {manifest.input_shape}; use model.type mlp."
        )
    if isinstance(spec.model, ResnetSpec) and min(manifest.input_shape[1:]) < spec.model.min_side:
        raise ExperimentError(
            f"model.type resnet with stem {spec.model.stem} needs images of at least {spec.model.min_side} "
            f"pixels a side, but the data has rows of shape {manifest.input_shape}; use model.type cnn, or "
            f"stem small from 8 pixels on."
        )
