"""A space in a file of its own: a YAML mapping of name -> domain, in the experiment file's syntax.

    learning_rate: {float: [1.0e-4, 1.0e-1], log: true}
    num_layers:    {int: [1, 5]}

What is no domain is a constant, a mapping holds such names in turn, and a choice among mappings is a
conditional space, as in the `space` of a Python experiment.
"""

from pathlib import Path
from typing import Any

from tuner.errors import ExperimentError
from tuner.spec.domains import show
from tuner.spec.problems import Problems
from tuner.spec.reading import read_file
from tuner.spec.space import space_of
from tuner.spec.template import parse


def load_template(path: str | Path) -> dict[str, Any]:
    """The tree in the file, with `Domain` objects; `space_of` lists its parameters.

    Raises:
        ExperimentError: with one line, "file:line: sentence", for each thing that is wrong.
    """
    tree, sources = read_file(path)
    if not isinstance(tree, dict):
        raise ExperimentError(f"{path}: a space must be a mapping of name to domain; found {show(tree)}")
    problems = Problems()
    shifted = {("space", *place): source for place, source in sources.items()}
    template: dict[str, Any] = parse({"space": tree}, shifted, problems)["space"]
    problems.raise_if_any()
    if not space_of(template).parameters:
        raise ExperimentError(f"{path}: a space must hold a domain; found none; write {{float: [0, 1]}}")
    return template
