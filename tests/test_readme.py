"""The README is true: its commands exist, its links lead somewhere, its experiment and its Python run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml

from tuner.spec import Experiment
from tuner.spec.sections import Cmaes, Gp, Nsgaii, RecoverySpec, SamplerName, Scheduler, Tpe

ROOT = Path(__file__).parents[1]
PAGES = [
    *("README.md", "CONTRIBUTING.md", "cluster/README.md", "benchmarks/README.md"),
    *("docs/structure.md", "docs/recovery.md", "docs/results.md", "docs/security.md", "docs/dashboard.md"),
    *("docs/report.md", "docs/data.md", "docs/models.md", "docs/tasks.md"),
]
SCHEDULERS = get_args(get_args(Scheduler)[0])


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)


def commands(page: str) -> list[list[str]]:
    """The words of each shell command of a page, without its comment."""
    lines = "\n".join(blocks(page, "bash")).splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def helped(*words: str) -> str:
    arguments = [sys.executable, "-m", "tuner.cli", *words, "--help"]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        assert target.startswith("http") or (ROOT / page).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_and_scripts_exist(page):
    makefile = (ROOT / "Makefile").read_text()
    for words in commands(page):
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.M), words
        if words[0].startswith("cluster/"):
            assert (ROOT / words[0]).stat().st_mode & 0o111, words


def test_tuner_commands_have_the_options_and_files_that_are_named():
    helps: dict[str, str] = {}
    for words in commands("README.md"):
        if words[0] != "tuner":
            continue
        text = helps.setdefault(words[1], helped(words[1]))
        for word in words[2:]:
            if word.startswith("--"):
                assert word in text, (words, word)
            if word.startswith("search_spaces/"):
                assert (ROOT / word).is_file()


def test_every_command_is_in_the_readme():
    named = {words[1] for words in commands("README.md") if words[0] == "tuner"}
    listed = re.findall(r"^  (\w+)  ", helped().split("Commands:")[1], re.M)
    assert named == set(listed)


def test_the_experiment_of_the_readme_is_the_shipped_one():
    text, *_ = blocks("README.md", "yaml")
    shipped = Experiment.load(ROOT / "search_spaces" / "digits_cnn.yaml")
    assert Experiment.from_dict(yaml.safe_load(text)) == shipped


def test_the_search_section_of_the_readme_fits_the_shipped_experiment():
    _, text, _ = blocks("README.md", "yaml")
    section = yaml.safe_load(text)["search"]
    shipped = yaml.safe_load((ROOT / "search_spaces" / "digits_cnn.yaml").read_text())
    search = Experiment.from_dict({**shipped, "search": section}).search
    assert section.keys() <= search.model_fields_set
    assert search.points == section["points"]


def test_the_recovery_section_of_the_readme_holds_the_defaults():
    *_, text = blocks("README.md", "yaml")
    assert yaml.safe_load(text)["recovery"] == RecoverySpec().model_dump()


def test_the_readme_names_every_sampler_and_scheduler():
    text = (ROOT / "README.md").read_text()
    table = "\n".join(re.findall(r"^\| (`.*) \|$", text, re.M))
    schedulers = [kind.model_fields["type"].default for kind in SCHEDULERS]
    switches = [name for kind in (Tpe, Gp, Cmaes, Nsgaii) for name in kind.model_fields if name != "type"]
    for name in [*get_args(SamplerName), *schedulers, *switches]:
        assert f"`{name}`" in table


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("name", ["own_function", "own_function_paused"])
def test_the_functions_of_the_readme_run(tmp_path, name):
    [code] = [block for block in blocks("README.md", "python") if f'name="{name}"' in block]
    script = tmp_path / "script.py"
    script.write_text(code)
    process = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert process.returncode == 0, process.stderr
    assert "lr" in process.stdout
    assert (tmp_path / "results" / name / "trials.csv").is_file()
