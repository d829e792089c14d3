"""Input from outside is never code: what the package calls to read it, and with which switches."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [*sorted((ROOT / "tuner").rglob("*.py")), *sorted((ROOT / "benchmarks").glob("*.py"))]

FORBIDDEN = {
    *(
        "eval",
        "exec",
        "os.system",
        "os.popen",
        "yaml.load",
        "yaml.load_all",
        "yaml.unsafe_load",
        "marshal.loads",
    ),
    *(
        "pickle.load",
        "pickle.loads",
        "cloudpickle.load",
        "cloudpickle.loads",
        "joblib.load",
        "pd.read_pickle",
    ),
    *("shutil.unpack_archive", "tempfile.mktemp"),
}
REQUIRED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
"""Function to the switch without which it may run what it reads."""


def calls(file: Path) -> Iterator[tuple[str, dict[str, object], int]]:
    """Each call as its dotted name, its constant keywords, its line."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            keywords = {word.arg: word.value for word in node.keywords if word.arg}
            constants = {
                name: value.value for name, value in keywords.items() if isinstance(value, ast.Constant)
            }
            yield ast.unparse(node.func), constants, node.lineno


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_that_is_read_is_run(file: Path) -> None:
    for name, constants, line in calls(file):
        assert name not in FORBIDDEN, f"{file}:{line} calls {name}"
        assert not constants.get("shell"), f"{file}:{line} gives {name} to a shell"
        if name.endswith((".extract", ".extractall")):
            assert constants.get("filter") == "data", f"{file}:{line} unpacks whatever an archive says"
        if name in REQUIRED:
            switch, value = REQUIRED[name]
            assert constants.get(switch) is value, f"{file}:{line} needs {switch}={value}"


def test_the_launch_files_quote_what_they_are_given() -> None:
    for file in (ROOT / "cluster").glob("*.sh"):
        code = "\n".join(line.partition(" #")[0] for line in file.read_text().splitlines())
        assert "set -euo pipefail" in code
        assert "eval" not in code
        for variable in ("$@", "$1", "$address"):
            assert code.count(variable) == code.count(f'"{variable}"'), (file, variable)
