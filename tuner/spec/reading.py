"""YAML in and out, with the line of everything that was read, and `--set path=value`.

    tree, sources = read_file("digits.yaml")
    sources[("model", "dropout")]            # "digits.yaml:12"
    override(tree, sources, "train.epochs=3")

Scalars follow YAML 1.2's core schema rather than PyYAML's 1.1: `1e-4` is a number, `off` and
`2024-01-01` are text. Two equal keys in one mapping are an error. Merge keys (`<<`) are not supported;
anchors are. A text may come from anybody: nothing in it is run, and how large, deep and full it may be is
bounded, with aliases counted where they are used.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tuner.errors import ExperimentError
from tuner.spec.domains import MAX_DEPTH, is_plain_domain, known, nearest, option_label, show

KeyPath = tuple[str | int, ...]
SourceMap = dict[KeyPath, str]
Where = Callable[[yaml.Mark], str]

MAX_BYTES = 1 << 20
MAX_VALUES = 10_000
"""Scalars, lists and mappings; an anchor's as often as it is used."""

MAX_DIGITS = 18
"""Of a whole number, sign and underscores too: it fits into 64 bits."""

_TAG = "tag:yaml.org,2002:"
_WORDS = {"true": True, "false": False}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}
    depth = num_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """As the base class does, which composes a text of any depth and length."""
        self.depth += 1
        self.num_nodes += 1
        problem = _too_much(self.depth, self.num_nodes)
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.get_mark())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}


_SCALARS: dict[str, tuple[str, str, Callable[[str], Any]]] = {
    "null": (r"~|null|Null|NULL|", "~nN", lambda text: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: _WORDS[text.lower()]),
    "int": (r"[-+]?[0-9]+(_[0-9]+)*", "-+0123456789", int),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(_[0-9]+)*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
        lambda text: float(re.sub(r"\.(?=inf|nan)", "", text.lower())),
    ),
}

for _name, (_pattern, _first, _) in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            _TAG + _name, re.compile(f"^(?:{_pattern})$"), [*_first, ""] if _name == "null" else list(_first)
        )

# A Python experiment may hold constants that YAML cannot: the written file shows what they were.
_Dumper.add_multi_representer(object, lambda dumper, value: dumper.represent_str(repr(value)))


def read_file(path: str | Path) -> tuple[Any, SourceMap]:
    """The plain tree in the YAML file at `path`, and the "file:line" of each path in it.

    Raises:
        ExperimentError: the file cannot be read, is no YAML, or repeats a key.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        folder = Path(path).parent
        found = getattr(error, "strerror", None) or error
        near = nearest(Path(path).name, [other.name for other in folder.glob("*.y*ml")])
        raise ExperimentError(
            f"{path}: an experiment file must be readable; found: {found}; check the path{near}"
        ) from error
    if len(content) > MAX_BYTES:
        raise ExperimentError(
            f"{path}: an experiment file may have {MAX_BYTES >> 20} MiB; found more; "
            "keep data in a file of its own"
        )
    return read_text(content, lambda mark: f"{path}:{mark.line + 1}")


def read_text(text: str | bytes, where: Where) -> tuple[Any, SourceMap]:
    """As `read_file`, from `text`; `where` turns a position in it into the words of a message."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets the last two through for numbers in escapes and directives.
        mark = getattr(error, "problem_mark", None) or yaml.Mark("", 0, 0, 0, None, 0)
        problem = getattr(error, "problem", None) or getattr(error, "reason", error)
        raise ExperimentError(f"{where(mark)}: the text must be valid YAML; found: {problem}") from error
    sources: SourceMap = {}
    return _build(node, (), where, sources) if node else None, sources


def write_text(tree: Mapping[str, Any]) -> str:
    """`tree` as YAML that `read_text` reads back as it was; innermost mappings and lists on one line."""
    return yaml.dump(
        tree, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110
    )


def assignment(text: str) -> tuple[list[str], Any]:
    """The keys and the value of `path=value`; the value is YAML.

    Raises ExperimentError where it is not of that form.
    """
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ExperimentError(f"--set needs path=value; found {text!r}; write for example train.epochs=3")
    return keys, read_text(value, lambda mark: f"--set {path.strip()}")[0]


def override(tree: dict[str, Any], sources: SourceMap, text: str) -> None:
    """Applies `path=value` to `tree`; the value is YAML, may be a domain, and replaces what was there.

    Missing mappings on the way are made (a misspelt one is found when the tree is checked). A path leads
    into a choice among mappings by an option's label: `train.optimizer.adamw.lr=0.1`.

    Raises:
        ExperimentError: not of the form path=value, or the path leads through something without keys.
    """
    keys, value = assignment(text)
    where = f"--set {'.'.join(keys)}"
    node: Any = tree
    place: KeyPath = ()
    for depth, key in enumerate(keys):
        holder, index, step = _slot(node, keys[:depth], key, where)
        place = (*place, *step)
        if depth == len(keys) - 1:
            holder[index] = value
        elif isinstance(holder, dict) and holder.get(index) is None:
            holder[index] = {}
            sources[place] = where
        node = holder[index]
    for old in [old for old in sources if old[: len(place)] == place]:
        del sources[old]
    sources[place] = where


def source_at(sources: SourceMap, path: KeyPath) -> str:
    """Where `path`, or else the nearest thing around it, was written; empty if nowhere."""
    for length in range(len(path), -1, -1):
        if path[:length] in sources:
            return sources[path[:length]]
    return ""


def _too_much(depth: int, num_values: int) -> str | None:
    """What is wrong with a text of so many levels and values."""
    if depth > MAX_DEPTH:
        return f"more than {MAX_DEPTH} levels"
    return f"more than {MAX_VALUES} values" if num_values > MAX_VALUES else None


def _build(node: yaml.Node, path: KeyPath, where: Where, sources: SourceMap) -> Any:
    sources.setdefault(path, where(node.start_mark))
    # What is small in the text may be large, even endless, when its aliases are followed.
    problem = _too_much(len(path) + 1, len(sources))
    if problem:
        raise ExperimentError(
            f"{where(node.start_mark)}: the text must be a small tree; found {problem} behind its aliases; "
            "write out what you need"
        )
    if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
        return _build_mapping(node, path, where, sources)
    if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
        return [_build(item, (*path, position), where, sources) for position, item in enumerate(node.value)]
    return _build_scalar(node, where)


def _build_mapping(node: yaml.MappingNode, path: KeyPath, where: Where, sources: SourceMap) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, source = key_node.value, where(key_node.start_mark)
        if key_node.tag != _TAG + "str" or not isinstance(key_node, yaml.ScalarNode):
            raise ExperimentError(
                f"{source}: a key must be text; found {_shown(key_node)}; put it into quotes"
            )
        if key in mapping:
            raise ExperimentError(
                f"{source}: a key must stand once in a mapping; found {show(key)} twice; drop one"
            )
        place = (*path, key)
        sources[place] = source
        mapping[key] = _build(value_node, place, where, sources)
    return mapping


def _build_scalar(node: yaml.Node, where: Where) -> Any:
    tag = node.tag.removeprefix(_TAG)
    is_scalar = isinstance(node, yaml.ScalarNode)
    if is_scalar and tag == "str":
        return node.value
    if not is_scalar or tag not in _SCALARS or not re.fullmatch(_SCALARS[tag][0], node.value):
        raise ExperimentError(
            f"{where(node.start_mark)}: a value must be plain text, a number, true, false or null; "
            f"found {_shown(node)} tagged {node.tag!r}; drop the tag"
        )
    if tag == "int" and len(node.value) > MAX_DIGITS:
        raise ExperimentError(
            f"{where(node.start_mark)}: a whole number may have {MAX_DIGITS} digits; "
            f"found {len(node.value)}; write a smaller one"
        )
    return _SCALARS[tag][2](node.value)


def _shown(node: yaml.Node) -> str:
    """A node in a message; a collection by its kind, for its text has no bound."""
    return show(node.value) if isinstance(node, yaml.ScalarNode) else f"a {type(node).__name__[:-4].lower()}"


def _slot(node: Any, parents: list[str], key: str, where: str) -> tuple[Any, Any, KeyPath]:
    """What holds `key` under `node`: (dict or list, key or index, the steps from `node` to it)."""
    parent = ".".join(parents)
    if isinstance(node, dict) and isinstance(node.get("choice"), list):
        options = node["choice"]
        labels = {option_label(o, i): i for i, o in enumerate(options) if isinstance(o, dict)}
        if key in labels:
            return options, labels[key], ("choice", labels[key])
        raise ExperimentError(
            f"{where}: {parent} is a choice and {key!r} is not one of its mappings{known(key, labels)}"
        )
    if isinstance(node, dict) and not is_plain_domain(node):
        return node, key, (key,)
    raise ExperimentError(
        f"{where}: a path must lead through mappings; found {parent} = {show(node)}; set {parent} itself"
    )
