"""The scalars in TensorBoard's `Event` messages, and what runs say to the HParams tab.

A summary's value is a plain number, or a tensor of one number; of a plugin that is not TensorBoard's own for
scalars it is something else. tensorflow/core/util/event.proto, framework/summary.proto.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.records.event_tensors import tensor_numbers
from tuner.records.wire import BYTES, FIXED32, FIXED64, VARINT, Content, Ints, Spans, key, rounds

Floats = NDArray[np.float64]

_WALL_TIME, _STEP, _SUMMARY = key(1, FIXED64), key(2, VARINT), key(5, BYTES)
_SUMMARY_VALUE = key(1, BYTES)
_TAG, _SIMPLE, _TENSOR, _METADATA = key(1, BYTES), key(2, FIXED32), key(8, BYTES), key(9, BYTES)
_PLUGIN, _PLUGIN_NAME, _PLUGIN_CONTENT = key(1, BYTES), key(1, BYTES), key(2, BYTES)
_SCALARS, _HPARAMS = {"", "scalars"}, "hparams"
"""Names of plugins."""


@dataclass(frozen=True)
class Scalars:
    """One row a scalar, in the order of writing."""

    event: Ints
    """Index of its event."""
    tag: Ints
    """Index into `names`."""
    step: Ints
    wall_time: Floats
    value: Floats
    names: NDArray[np.object_]


@dataclass(frozen=True)
class Events:
    """Events in the order in which they lie in the content."""

    wall_time: Floats
    step: Ints
    summary: Spans


@dataclass(frozen=True)
class _Values:
    """The values of all summaries, in the order in which they lie in the content."""

    event: Ints
    start: Ints
    end: Ints
    tag: Spans
    tensor: Spans
    metadata: Spans
    simple: Floats
    is_simple: NDArray[np.bool_]


def read_events(content: Content, start: Ints, end: Ints) -> Events:
    """The events between `start` and `end`."""
    wall_time = np.zeros(len(start))
    # A field that a message leaves out is zero.
    step = np.zeros(len(start), np.int64)
    summary = Spans(len(start))
    for found in rounds(content, start, end):
        times, steps = found.of(_WALL_TIME), found.of(_STEP)
        wall_time[times.message] = content.float64[times.start]
        step[steps.message] = steps.number.view(np.int64)
        summary.note(found.of(_SUMMARY))
    return Events(wall_time, step, summary)


def scalars_of(content: Content, events: Events) -> tuple[Scalars, list[tuple[int, bytes]]]:
    """The scalars, and each `HParamsPluginData` with the index of its event."""
    values = _values(content, events)
    is_foreign, sessions = _foreign(content, values)
    number, is_scalar = values.simple, values.is_simple
    tensors = np.flatnonzero(values.tensor.is_there & ~is_foreign)
    if tensors.size:
        spans = values.tensor
        found, is_number = tensor_numbers(content, spans.start[tensors], spans.end[tensors])
        number[tensors[is_number]] = found[is_number]
        is_scalar[tensors[is_number]] = True
    names, tag = _texts(content, values.tag.start[is_scalar], values.tag.end[is_scalar])
    event = values.event[is_scalar]
    scalars = Scalars(event, tag, events.step[event], events.wall_time[event], number[is_scalar], names)
    return scalars, sessions


def _values(content: Content, events: Events) -> _Values:
    summary = events.summary
    found = [found.of(_SUMMARY_VALUE) for found in rounds(content, summary.start, summary.end)]
    event, start, end = (
        np.concatenate([np.zeros(0, np.int64), *(getattr(part, name) for part in found)])
        for name in ("message", "start", "end")
    )
    order = np.argsort(start, kind="stable")
    event, start, end = event[order], start[order], end[order]
    tag, tensor, metadata = (Spans(len(start)) for _ in range(3))
    values = _Values(
        event, start, end, tag, tensor, metadata, np.zeros(len(start)), np.zeros(len(start), bool)
    )
    for fields in rounds(content, start, end):
        tag.note(fields.of(_TAG))
        tensor.note(fields.of(_TENSOR))
        metadata.note(fields.of(_METADATA))
        simple = fields.of(_SIMPLE)
        values.simple[simple.message] = content.float32[simple.start]
        values.is_simple[simple.message] = True
    return values


def _foreign(content: Content, values: _Values) -> tuple[NDArray[np.bool_], list[tuple[int, bytes]]]:
    """Which values belong to other plugins, and what those of the HParams tab say."""
    is_foreign = np.zeros(len(values.event), bool)
    sessions: list[tuple[int, bytes]] = []
    with_metadata = np.flatnonzero(values.metadata.is_there)
    if not with_metadata.size:
        return is_foreign, sessions
    start, end = values.metadata.start[with_metadata], values.metadata.end[with_metadata]
    for name, chosen, said in _plugins(content, start, end):
        is_foreign[with_metadata[chosen]] = name not in _SCALARS
        if name == _HPARAMS:
            events = values.event[with_metadata[chosen]].tolist()
            sessions += zip(events, (content.data[said.start[k] : said.end[k]] for k in chosen), strict=True)
    return is_foreign, sessions


def _plugins(content: Content, start: Ints, end: Ints) -> Iterator[tuple[str, Ints, Spans]]:
    """Each plugin that the metadata between `start` and `end` name: whose it is, and what they say to it."""
    plugin, name, said = (Spans(len(start)) for _ in range(3))
    for found in rounds(content, start, end):
        plugin.note(found.of(_PLUGIN))
    for found in rounds(content, plugin.start, plugin.end):
        name.note(found.of(_PLUGIN_NAME))
        said.note(found.of(_PLUGIN_CONTENT))
    names, which = _texts(content, name.start, name.end)
    for index, text in enumerate(names):
        yield text, np.flatnonzero(which == index), said


def _texts(content: Content, start: Ints, end: Ints) -> tuple[NDArray[np.object_], Ints]:
    """The distinct texts between `start` and `end`, and for each stretch which one it is."""
    _, first, which = np.unique(content.hashes(start, end), return_index=True, return_inverse=True)
    texts = np.empty(len(first), object)
    texts[:] = [content.text(start[index], end[index]) for index in first]
    return texts, which
