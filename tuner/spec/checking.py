"""Checks a whole experiment: builds the typed sections and says all that is wrong with them.

Types cannot hold domains, so a template is checked at its corners: concrete trees in which the searched
values stand at their ends and options, in all pairs (`Space.corners`). pydantic's errors become
sentences here, and the rules between sections stand in `_cross_check`. Their number grows
with the square of the space: nine parameters (193 trees) take 30 ms.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from tuner.spec.domains import is_whole, known, nearest, show
from tuner.spec.population_rules import check_population
from tuner.spec.problems import Problems, dotted
from tuner.spec.reading import KeyPath, SourceMap
from tuner.spec.scheduler_rules import check_scheduling
from tuner.spec.searcher_rules import check_grid, check_knowledge, check_metrics
from tuner.spec.sections import (
    AudioSource,
    AudioSpec,
    AugmentSpec,
    CleanSpec,
    ConfirmSpec,
    DataSpec,
    EncodeSpec,
    HuggingFaceSource,
    ModelSpec,
    ParallelSplits,
    PretrainedSpec,
    PretrainedTokens,
    RecoverySpec,
    ResourcesSpec,
    RnnSpec,
    SearchSpec,
    Source,
    SplitFiles,
    SplitNames,
    TableFiles,
    TextSpec,
    TrainSpec,
    TransformerSpec,
    TrialSpec,
)
from tuner.spec.space import space_of
from tuner.spec.template import locate, materialise, parse
from tuner.tasks import RULES, names_of

Locate = Callable[[KeyPath], KeyPath]

_SECTIONS: dict[str, Any] = {
    "data": DataSpec,
    "model": ModelSpec,
    "train": TrainSpec,
    "search": SearchSpec,
    "resources": ResourcesSpec,
    "recovery": RecoverySpec,
    "confirm": ConfirmSpec,
}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(spec) for name, spec in _SECTIONS.items()}
_TRIAL = ("data", "model", "train")
_KEYS = ("name", "task", *_SECTIONS)
_FUNCTION_KEYS = ("name", "space", "search", "resources", "recovery", "confirm")

_PHRASES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_unicode": "text without halves of characters",
    "dict_type": "a mapping",
    "list_type": "a list",
    "string_too_short": "a single character",
    "string_too_long": "a single character",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
    "greater_than": "> {gt:g}",
    "greater_than_equal": ">= {ge:g}",
    "less_than": "< {lt:g}",
    "less_than_equal": "<= {le:g}",
}
_ONE_VALUE = ("int_type", "float_type", "bool_type", "string_type", "literal_error")


@dataclass(frozen=True)
class Parts:
    """A checked experiment."""

    name: str
    task: str | None
    template: dict[str, Any]
    """data, model and train; or the space of one's own function"""
    search: SearchSpec
    resources: ResourcesSpec
    recovery: RecoverySpec
    confirm: ConfirmSpec | None
    max_reports: int | None


def check_experiment(tree: dict[str, Any], sources: SourceMap) -> Parts:
    """Checks the plain tree of a whole experiment file.

    Raises:
        ExperimentError: with one line for each thing that is wrong.
    """
    problems = Problems()
    parsed = parse(tree, sources, problems)
    _check_keys(parsed, _KEYS, problems)
    _check_name(parsed, problems)
    task = _check_task(parsed, problems)
    parsed.setdefault("resources", {})
    parsed.setdefault("recovery", {})
    _fill_mode(task, parsed)
    fixed = _sections(_fixed(parsed), parsed, problems)
    template = {section: parsed[section] for section in _TRIAL if section in parsed}
    max_reports = _check_corners(template, task, fixed, problems)
    _check_scheduling(fixed, max_reports, problems)
    problems.raise_if_any()
    assert task is not None
    _check_space(template, task, fixed, problems)
    return Parts(parsed["name"], task, template, **_filled(fixed), max_reports=max_reports)


def check_function(tree: dict[str, Any], max_reports: int | None) -> Parts:
    """Checks the plain tree of an experiment that trains by a function: name, space, search, resources."""
    problems = Problems()
    parsed = parse(tree, {}, problems)
    _check_keys(parsed, _FUNCTION_KEYS, problems)
    _check_name(parsed, problems)
    if max_reports is not None and not (is_whole(max_reports) and max_reports >= 1):
        problems.add(("max_reports",), f"must be a whole number >= 1 or None; found {show(max_reports)}")
    fixed = _sections(_fixed(parsed), parsed, problems)
    problems.raise_if_any()
    _check_scheduling(fixed, max_reports, problems)
    for path, rest in check_metrics(None, fixed["search"]):
        problems.add(path, rest)
    problems.raise_if_any()
    _check_space(parsed["space"], None, fixed, problems)
    return Parts(parsed["name"], None, parsed["space"], **_filled(fixed), max_reports=max_reports)


def _check_space(
    template: Mapping[str, Any], task: str | None, fixed: Mapping[str, Any], problems: Problems
) -> None:
    """What the search says of the space, which is sound."""
    space, search = space_of(template), fixed["search"]
    for path, rest in check_grid(task, space, search):
        problems.add(path, rest)
    for path, rest in check_knowledge(space, search):
        problems.add(path, rest)
    for path, rest in check_population(task, space, search, fixed.get("confirm")):
        problems.add(path, rest)
    problems.raise_if_any()


def _check_scheduling(fixed: Mapping[str, Any], max_reports: int | None, problems: Problems) -> None:
    if {"search", "resources"} <= fixed.keys():
        confirm = fixed.get("confirm")
        for path, rest in check_scheduling(fixed["search"], fixed["resources"], confirm, max_reports):
            problems.add(path, rest)


def _fixed(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """The sections in which nothing is searched; `confirm` may be left out, or null."""
    fixed = ("search", "resources", "recovery")
    return fixed if tree.get("confirm") is None else (*fixed, "confirm")


def _filled(fixed: Mapping[str, Any]) -> dict[str, Any]:
    return {"confirm": None, **fixed}


def check_trial(task: str, tree: Mapping[str, Any], resources: ResourcesSpec) -> TrialSpec:
    """The typed configuration of one trial from its concrete tree.

    Raises:
        ExperimentError: with one line for each thing that is wrong.
    """
    problems = Problems()
    sections = _sections(_TRIAL, tree, problems)
    for path, rest in _cross_check(task, {**sections, "resources": resources}):
        problems.add(path, rest)
    problems.raise_if_any()
    return TrialSpec(task=task, **sections)


def _check_corners(
    template: dict[str, Any], task: str | None, fixed: Mapping[str, Any], problems: Problems
) -> int | None:
    """Checks the template at all corners; returns the most reports that a full training has in any."""
    reports = []
    for params in space_of(template).corners():
        if problems.are_many:
            break
        find = partial(locate, template, params)
        sections = {**fixed, **_sections(_TRIAL, materialise(template, params), problems, find)}
        for path, rest in _cross_check(task, sections):
            problems.add(find(path), rest)
        if "train" in sections:
            reports.append(sections["train"].num_reports)
    return max(reports, default=None)


def _check_keys(tree: Mapping[str, Any], allowed: tuple[str, ...], problems: Problems) -> None:
    for key in tree:
        if key not in allowed:
            problems.add((key,), f"is not a known key of the experiment{known(key, allowed)}")


def _check_name(tree: Mapping[str, Any], problems: Problems) -> None:
    name = tree.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", name):
        problems.add(
            ("name",),
            "names a folder and must be up to 100 letters, digits and _-. without a dot in front; "
            f"found {show(name)}; use for example digits_cnn",
        )


def _check_task(tree: Mapping[str, Any], problems: Problems) -> str | None:
    task = tree.get("task")
    if isinstance(task, str) and task in RULES:
        return task
    problems.add(("task",), _one_of(task, [*RULES]))
    return None


def _fill_mode(task: str | None, tree: dict[str, Any]) -> None:
    """Puts in the better direction of the metric where none is given (any one, if the metric is wrong)."""
    search = tree.get("search")
    if isinstance(search, dict) and search.get("mode") is None:
        metrics = RULES[task].metrics if task else {}
        mode = metrics.get(str(search.get("metric")), "min")
        tree["search"] = {**search, "mode": mode}


def _sections(
    names: tuple[str, ...], tree: Mapping[str, Any], problems: Problems, find: Locate = lambda path: path
) -> dict[str, Any]:
    """The typed sections of those `names` that are right; the others become problems."""
    sections = {}
    for name in names:
        if name not in tree:
            problems.add((name,), "is required; found nothing; add it")
            continue
        try:
            sections[name] = _ADAPTERS[name].validate_python(tree[name])
        except ValidationError as error:
            for one in error.errors():
                _add(name, dict(one), problems, find)
    return sections


def _add(section: str, error: Mapping[str, Any], problems: Problems, find: Locate) -> None:
    """Adds pydantic's `error` as a sentence of ours."""
    path, models = _walk(section, error["loc"])
    kind, context, found = error["type"], error.get("ctx", {}), error["input"]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        path = (*path, "type")
        found, kind = (found["type"], "type") if "type" in found else (found, "no type")
    path = find(path)
    is_list_of_options = isinstance(found, list) and found and path[0] in _TRIAL and kind in _ONE_VALUE
    choice = f"; to search among these, write {{choice: {show(found)}}}" if is_list_of_options else ""
    problems.add(path, _rest(kind, path, models, context, found) + choice)


def _rest(
    kind: str, path: KeyPath, models: list[type[BaseModel]], context: Mapping[str, Any], found: Any
) -> str:
    """What is wrong, to go on after the path."""
    if kind == "rule":
        return str(context["text"])
    if kind == "missing":
        return "is required; found nothing; add it"
    if kind == "no type":
        return _without_type(found, models)
    if kind == "type":
        return _one_of(found, _tags(models))
    if kind == "literal_error":
        return _one_of(found, _options(context["expected"]))
    if kind == "extra_forbidden":
        tags = _tags(models)
        owner = dotted(path[:-1]) + (f" (type {tags[0]})" if len(tags) == 1 else "")
        return f"is not a known key of {owner}{known(path[-1], sorted(models[0].model_fields))}"
    return f"must be {_PHRASES[kind].format(**context)}; found {show(found)}"


def _without_type(found: Mapping[str, Any], models: list[type[BaseModel]]) -> str:
    """With the types that have all the keys which are there."""
    fitting = [model for model in models if found.keys() <= model.model_fields.keys()]
    beside = f" beside {', '.join(found)}" if found and fitting else ""
    return f"is required{beside}; found nothing; add one of {', '.join(_tags(fitting or models))}"


def _options(expected: str) -> list[str]:
    """What a value may be, of pydantic's "'one', 'two' or 'three'" or "1, 2 or 3"."""
    return re.findall(r"'([^']*)'", expected) or re.findall(r"\d+", expected)


def _one_of(found: object, allowed: tuple[str, ...] | list[str]) -> str:
    return f"must be one of {', '.join(allowed)}; found {show(found)}{nearest(found, allowed)}"


def _walk(section: str, loc: tuple[int | str, ...]) -> tuple[KeyPath, list[type[BaseModel]]]:
    """The path of pydantic's `loc` without the tags of unions, and the models that hold (or are) its end."""
    path: list[int | str] = [section]
    owners = models = _models(_SECTIONS[section])
    in_collection = False
    for part in loc:
        if len(models) > 1:
            owners = models = [model for model in models if part in _tags([model])]
            continue
        path.append(part)
        owners = models
        if in_collection:
            in_collection = False
            continue
        field = models[0].model_fields.get(str(part)) if models else None
        models = _models(field.annotation) if field else []
        in_collection = field is not None and get_origin(field.annotation) in (dict, list)
    return tuple(path), models or owners


def _models(annotation: Any) -> list[type[BaseModel]]:
    arguments = get_args(annotation)
    if not arguments:
        is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        return [annotation] if is_model else []
    return [model for argument in arguments for model in _models(argument)]


def _tags(models: list[type[BaseModel]]) -> list[str]:
    """What `type` may be."""
    fields = [model.model_fields["type"] for model in models if "type" in model.model_fields]
    return [tag for field in fields for tag in get_args(field.annotation)]


# --- rules between sections: each yields (path, what is wrong with it) ---


def _cross_check(task: str | None, sections: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    if task and "search" in sections:
        yield from check_metrics(task, sections["search"])
    if task and "data" in sections:
        yield from _check_data(task, sections["data"])
    if task and "model" in sections:
        yield from _check_model(task, sections["model"])
    if task and RULES[task].reads_texts and "model" in sections and "data" in sections:
        yield from _check_tokens(sections["model"], sections["data"])
    if task and RULES[task].data == "recordings" and "data" in sections:
        yield from _check_waves(sections["data"].audio or AudioSpec(), sections)
    if task and "train" in sections:
        yield from _check_loss(task, sections["train"])
        yield from _check_augment(task, sections["train"])
    if "train" in sections:
        yield from _check_zero(sections["train"])
    if "train" in sections and "resources" in sections:
        yield from _check_batch(sections["train"], sections["resources"].workers)
    if "resources" in sections:
        yield from _check_shares(sections["resources"])


def _check_data(task: str, data: DataSpec) -> Iterator[tuple[KeyPath, str]]:
    source, rules = data.source, RULES[task]
    name = _kind(source)
    if name not in rules.sources:
        tasks = ", ".join(names_of(lambda others: name in others.sources))
        yield ("data", "source"), f"must fit the task; found {name} with {task}; {name} allows: {tasks}"
    if data.text is not None and not rules.reads_texts:
        yield ("data", "text"), f"is for tasks that read texts; found it with task {task}; drop it"
    if data.image is not None and source.type != "image_folder":
        yield ("data", "image"), f"is for the source image_folder; found it with {name}; drop it"
    if data.audio is not None and rules.data != "recordings":
        yield ("data", "audio"), f"is for tasks that hear recordings; found it with task {task}; drop it"
    keys = _clean_keys(task, source)
    usual = CleanSpec.model_validate({key: getattr(data.clean, key) for key in keys})
    for section, is_given in (("clean", data.clean != usual), ("encode", data.encode != EncodeSpec())):
        if is_given and rules.data != "rows":
            but = f" (of {name} {' and '.join(keys)} only)" if keys and section == "clean" else ""
            tasks = " and ".join(names_of(lambda others: others.data == "rows"))
            yield ("data", section), f"is for {tasks}{but}; found it with task {task}; drop it"
    if "split" in data.model_fields_set:
        if isinstance(getattr(source, "path", None), SplitFiles | TableFiles | ParallelSplits):
            yield ("data", "split"), "is decided by the files of data.source.path; found both; drop one"
        if isinstance(getattr(source, "splits", None), SplitNames):
            yield ("data", "split"), "is decided by data.source.splits; found both; drop one"
    if data.split.stratify and rules.targets != "classes":
        yield ("data", "split", "stratify"), f"needs classes; found true with task {task}; drop it"
    if data.split.group is not None:
        yield from _check_group(data.split.group, source)


def _clean_keys(task: str, source: Source) -> tuple[str, ...]:
    """What `data.clean` may say of rows that are no table of numbers and text."""
    if source.type in ("image_folder", "audio"):
        return ("invalid",)
    return ("invalid", "duplicates") if RULES[task].data == "texts" else ()


def _kind(source: Source) -> str:
    """What decides for which tasks it is, as `TaskRules.sources` calls it."""
    if isinstance(source, HuggingFaceSource) and source.text is not None:
        return f"{source.type} with text{'' if source.label is None else ' and label'}"
    return source.name if source.type == "sklearn" else source.type


def _check_group(group: str, source: Source) -> Iterator[tuple[KeyPath, str]]:
    path = ("data", "split", "group")
    if not isinstance(source, AudioSource):
        yield path, f"is for recordings; found it with source {source.type}; drop it"
    elif not source.is_table and (group not in source.parts or group == "label"):
        parts = ", ".join(part for part in source.parts if part != "label") or "none"
        yield (
            path,
            f"must be a part of data.source.pattern; found {show(group)}; beside label: {parts}",
        )


def _check_model(task: str, model: ModelSpec) -> Iterator[tuple[KeyPath, str]]:
    if model.type not in RULES[task].models:
        allowed = ", ".join(RULES[task].models)
        yield ("model", "type"), f"must fit the task {task}; found {model.type}; allowed: {allowed}"
        return
    is_causal = RULES[task].is_causal
    if isinstance(model, RnnSpec) and model.bidirectional and is_causal:
        yield ("model", "bidirectional"), f"must be false for task {task}; found true; drop it"
    if isinstance(model, TransformerSpec):
        if is_causal and model.kind != "decoder":
            yield ("model", "kind"), f"must be decoder for task {task}; found {model.kind}; change it"
        if model.tie_embeddings and not is_causal:
            causal = " or ".join(names_of(lambda rules: rules.is_causal))
            rest = f"needs task {causal}; found true with task {task}; drop it"
            yield ("model", "tie_embeddings"), rest


def _check_tokens(model: ModelSpec, data: DataSpec) -> Iterator[tuple[KeyPath, str]]:
    if not isinstance(model, PretrainedSpec):
        return
    tokenizer = (data.text or TextSpec()).tokenizer
    if not isinstance(tokenizer, PretrainedTokens):
        rest = f"must be pretrained for model.type pretrained; found {tokenizer.type}"
        yield ("data", "text", "tokenizer"), f"{rest}; use {{type: pretrained, name: {model.name}}}"


def _check_waves(audio: AudioSpec, sections: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    if "model" in sections:
        model = sections["model"].type
        wanted = "waves" if model == "pretrained" else "mel"
        if audio.features != wanted:
            rest = f"must be {wanted} for model.type {model}; found {audio.features}; change one of them"
            yield ("data", "audio", "features"), rest
    if "train" in sections and audio.features == "waves":
        for name in ("time_mask", "frequency_mask"):
            value = getattr(sections["train"].augment, name)
            if value:
                rest = f"is for spectrograms; found {value:g} with data.audio.features waves; drop it"
                yield ("train", "augment", name), rest


def _check_loss(task: str, train: TrainSpec) -> Iterator[tuple[KeyPath, str]]:
    if train.loss not in RULES[task].losses:
        allowed = ", ".join(RULES[task].losses)
        yield ("train", "loss"), f"must fit the task {task}; found {train.loss}; allowed: {allowed}"
    elif train.label_smoothing and not RULES[task].smooths_labels:
        yield (
            ("train", "label_smoothing"),
            f"needs the loss cross_entropy or bce; found {train.label_smoothing} with task {task}; drop it",
        )


def _check_augment(task: str, train: TrainSpec) -> Iterator[tuple[KeyPath, str]]:
    allowed = RULES[task].augmentations
    names = ", ".join(allowed) or "none"
    for name in AugmentSpec.model_fields:
        value = getattr(train.augment, name)
        if value and name not in allowed:
            rest = f"must fit the task {task}; found {value:g}; drop it; allowed: {names}"
            yield ("train", "augment", name), rest


def _check_zero(train: TrainSpec) -> Iterator[tuple[KeyPath, str]]:
    if train.zero.offload == "cpu" and train.zero.stage == 0:
        rest = "needs a stage that shards the optimizer; found cpu with stage 0; use stage 1, 2 or 3"
        yield ("train", "zero", "offload"), rest
    for penalty in ("l1", "l2"):
        factor = getattr(train, penalty)
        if factor and train.zero.stage == 3:
            rest = f"needs whole weights on each rank; found {factor} with zero stage 3, which splits them"
            yield ("train", penalty), f"{rest}; use weight_decay, or stage 2"


def _check_batch(train: TrainSpec, workers: int) -> Iterator[tuple[KeyPath, str]]:
    batch_size, micro_batch = train.batch_size, train.micro_batch
    if batch_size % workers:
        rest = f"must be a multiple of resources.workers = {workers}; found {batch_size}"
        yield ("train", "batch_size"), f"{rest}; use {_multiple(batch_size, workers)}"
    elif micro_batch and batch_size % (micro_batch * workers):
        yield (
            ("train", "micro_batch"),
            f"x resources.workers must divide every batch_size; found {micro_batch} x {workers} "
            f"with batch_size {batch_size}; choose a divisor of {batch_size // workers}",
        )


def _check_shares(resources: ResourcesSpec) -> Iterator[tuple[KeyPath, str]]:
    gpus = resources.gpus_per_worker
    if resources.workers > 1 and gpus != "auto" and 0 < gpus < 1:
        yield (
            ("resources", "gpus_per_worker"),
            "may be a share of a GPU in gangs of one worker only, because NCCL refuses two ranks on one GPU; "
            f"found {gpus:g} with resources.workers = {resources.workers}; use workers 1 or whole GPUs",
        )


def _multiple(number: int, factor: int) -> int:
    """The multiple of `factor` next above `number`."""
    return -(-number // factor) * factor
