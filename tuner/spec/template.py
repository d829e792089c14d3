"""The template: an experiment as a plain tree in which `Domain` objects stand for searched values.

`parse` makes it from a plain tree (where domains are mappings), `materialise` makes one trial's plain
tree from it. Paths in a template go through a choice by the option's label, as parameters' names do:
`train.optimizer.adamw.lr`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.errors import ExperimentError
from tuner.spec.addresses import is_address
from tuner.spec.domains import Choice, Float, Int, from_plain, is_path, is_plain_domain, option_label, show
from tuner.spec.problems import Problems
from tuner.spec.reading import KeyPath, SourceMap

SEARCHED = ("data", "model", "train", "space")
"""the sections in which a domain may stand"""


def parse(tree: Mapping[str, Any], sources: SourceMap, problems: Problems) -> dict[str, Any]:
    """The template of `tree`; fills `problems.sources` for its paths. A wrong domain becomes a problem."""
    parsed: dict[str, Any] = _Parser(sources, problems).parse(tree, (), ())
    return parsed


def materialise(node: Any, params: Mapping[str, Any], path: tuple[str, ...] = ()) -> Any:
    """`node` with each domain replaced by its value in `params`, as fresh dicts and lists."""
    if isinstance(node, Float | Int):
        return params[".".join(path)]
    if isinstance(node, Choice):
        label = params[".".join(path)]
        return materialise(node.option(label), params, (*path, str(label)))
    if isinstance(node, dict):
        return {key: materialise(child, params, (*path, key)) for key, child in node.items()}
    return [materialise(child, params, path) for child in node] if isinstance(node, list) else node


def locate(template: Any, params: Mapping[str, Any], path: KeyPath) -> KeyPath:
    """The template's path of what lies at `path` in `materialise(template, params)`."""
    node = template
    located: KeyPath = ()
    for part in path:
        if isinstance(node, Choice):
            label = params[".".join(map(str, located))]
            node = node.option(label)
            located = (*located, str(label))
        located = (*located, part)
        node = node.get(part) if isinstance(node, dict) else None
    return located


def absolute_paths(node: Any, folder: Path, key: str = "") -> Any:
    """The plain tree `node` with each relative `path` in it seen from `folder`, searched ones too.

    The `name` of a pretrained model, or of a data set of the Hub, is a path where it begins like one.
    """
    if isinstance(node, dict):
        is_inside = key == "path"
        is_named = node.get("type") in ("pretrained", "huggingface")
        return {
            k: absolute_paths(child, folder, key if is_inside or k == "choice" else _key(k, is_named))
            for k, child in node.items()
        }
    if isinstance(node, list):
        return [absolute_paths(child, folder, key) for child in node]
    if not (isinstance(node, str) and is_path(node)):
        return node
    if key == "path" and is_address(node):
        return node
    if key == "path" or (key == _NAME and node.startswith((".", "/", "~"))):
        return os.path.abspath(folder / os.path.expanduser(node))
    return node


_NAME = "name or path"


def _key(key: str, is_named: bool) -> str:
    return _NAME if key == "name" and is_named else key


def is_key(key: object) -> bool:
    """Whether it may name a section, a value or a parameter: a column of a table, a word in a message."""
    return isinstance(key, str) and key != "" and key.isprintable()


class _Parser:
    def __init__(self, sources: SourceMap, problems: Problems) -> None:
        self.sources, self.problems = sources, problems

    def parse(self, node: Any, raw: KeyPath, path: KeyPath) -> Any:
        """`raw` is the path of `node` in the plain tree, `path` that in the template."""
        if raw in self.sources:
            self.problems.sources[path] = self.sources[raw]
        if is_plain_domain(node) and path:
            return self._domain(node, raw, path)
        if isinstance(node, dict):
            return self._mapping(node, raw, path)
        if isinstance(node, list):
            self._refuse_domains(node, path)
        return node

    def _mapping(self, node: dict[Any, Any], raw: KeyPath, path: KeyPath) -> dict[str, Any]:
        for key in node:
            if not is_key(key):
                self.problems.add(
                    path, f"must have printable text as keys; found {show(key)}; put it into quotes"
                )
        texts = {key: child for key, child in node.items() if is_key(key)}
        return {key: self.parse(child, (*raw, key), (*path, key)) for key, child in texts.items()}

    def _domain(self, node: dict[str, Any], raw: KeyPath, path: KeyPath) -> Any:
        if path[0] not in SEARCHED:
            self.problems.add(path, "cannot be searched, a domain may stand in data, model and train only; "
                              f"found {show(node)}; write a value")  # fmt: skip
            return None
        try:
            return from_plain(self._with_options(node, raw, path))
        except ExperimentError as error:
            self.problems.add(path, f"is no valid domain: {error}")
            return None

    def _with_options(self, node: dict[str, Any], raw: KeyPath, path: KeyPath) -> dict[str, Any]:
        options = node.get("choice")
        if not isinstance(options, list):
            return node
        return {**node, "choice": [self._option(o, i, raw, path) for i, o in enumerate(options)]}

    def _option(self, option: Any, position: int, raw: KeyPath, path: KeyPath) -> Any:
        if is_plain_domain(option):
            return option
        label = str(option_label(option, position))
        return self.parse(option, (*raw, "choice", position), (*path, label))

    def _refuse_domains(self, items: list[Any], path: KeyPath) -> None:
        for item in items:
            if is_plain_domain(item):
                self.problems.add(
                    path,
                    "cannot hold a domain, for it is a list; "
                    f"found {show(item)}; write a choice among whole lists instead",
                )
