"""The page's modules as one script."""

import re
from pathlib import Path

import pytest

from tuner.dashboard import bundle


def modules(folder: Path, **sources: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, source in sources.items():
        (folder / f"{name}.js").write_text(source)
    return folder


def test_modules_become_functions_in_the_order_of_their_imports(tmp_path: Path) -> None:
    folder = modules(
        tmp_path,
        main='import { one as first } from "./a.js";\nimport * as b from "./b.js";\nfirst(b.TWO);\n',
        b='import { one } from "./a.js";\nexport const TWO = one();\n',
        a="export function one() {}\nexport class Three {}\nexport async function four() {}\n",
    )
    text = bundle.script("main.js", [folder])
    assert [text.index(f"const ${name} = ") for name in "ab"] < [text.index("const $main = ")] * 2
    assert "const { one: first } = $a;\nconst b = $b;\nfirst(b.TWO);" in text
    assert "return { one, Three, four };" in text


def test_a_module_of_the_first_folder_takes_the_place_of_the_others(tmp_path: Path) -> None:
    own = modules(tmp_path / "own", api='export const from = "own";\n')
    other = modules(
        tmp_path / "other", main='import { from } from "./api.js";\n', api='export const from = "server";\n'
    )
    assert '"server"' not in bundle.script("main.js", [own, other])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("export default 1;\n", "has a form that the bundle does not know: export default 1;"),
        ('import x from "./main.js";\n', "does not know: import x"),
        ('import { x } from "./main.js";\n', "import each other in a circle: main.js main.js"),
        ('export const x = "</script>";\n', "ends its own script"),
    ],
)
def test_what_cannot_be_bundled_is_refused(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(message)):
        bundle.script("main.js", [modules(tmp_path, main=source)])
