"""ES modules as one script: fifty requests become one, and a page opened from disk may hold it.

    script("app.js", [page])
    script("report.js", [own, page])

A module becomes a function that gives what it exports, in the order in which they import each other; of two
with one name that of the earlier folder counts. Of the language's forms it knows those that the page uses:
named and `* as` imports of neighbours, and exports of constants, functions and classes.
"""

import re
from collections.abc import Sequence
from pathlib import Path

_IMPORT = re.compile(r'^import (?:\{([^}]*)\}|\* as (\w+)) from "\./(\w+)\.js";$', re.M)
_EXPORT = re.compile(r"^export ((?:async )?function\*?|class|const) (\w+)", re.M)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.M)
_CLOSING = re.compile(r"</script|<!--", re.I)
"""What a browser would take for the end of the script, or for the begin of a comment."""


def script(entry: str, folders: Sequence[Path]) -> str:
    """The module `entry` with all that it imports."""
    modules: dict[str, str] = {}
    _add(entry, folders, modules, ())
    text = '"use strict";\n' + "\n".join(modules.values())
    assert not _CLOSING.search(text), "a module ends its own script"
    return text


def _add(name: str, folders: Sequence[Path], modules: dict[str, str], trail: tuple[str, ...]) -> None:
    """Puts a module behind those that it imports."""
    assert name not in trail, f"modules import each other in a circle: {' '.join((*trail, name))}"
    if name in modules:
        return
    source = next(file for folder in folders if (file := folder / name).is_file()).read_text()
    for found in _IMPORT.finditer(source):
        _add(f"{found[3]}.js", folders, modules, (*trail, name))
    modules[name] = _module(name, source)


def _module(name: str, source: str) -> str:
    exported = [found[2] for found in _EXPORT.finditer(source)]
    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(_import, source))
    unknown = _OTHER.search(body)
    assert unknown is None, f"{name} has a form that the bundle does not know: {unknown and unknown[0]}"
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


def _import(found: re.Match[str]) -> str:
    named, every, module = found.groups()
    names = every or f"{{{named.replace(' as ', ': ')}}}"
    return f"const {names} = {_variable(module)};"


def _variable(module: str) -> str:
    return f"${module.removesuffix('.js')}"
