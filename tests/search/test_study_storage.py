"""Opening a study: what is damaged, what cannot be opened, what belongs to another search."""

from pathlib import Path

import optuna
import pytest
from search_cases import SPACES, drive, make_search, open_searcher

from tuner.errors import ExperimentError, ResultsError
from tuner.search.factory import make_searcher
from tuner.search.storage import open_storage


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    journal = tmp_path / "a study's 'journal'\n"
    drive(open_searcher("tpe", "one", journal), 0, 3)
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":6,"wor')
    searcher = open_searcher("tpe", "one", journal)
    assert journal.read_bytes().startswith(whole)
    assert drive(searcher, 3, 4)[0].number == 3
    assert drive(open_searcher("tpe", "one", journal), 4, 5)[0].number == 4


def test_a_journal_of_half_a_line_is_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b'{"op_co')
    suggestion = open_searcher("random", "one", tmp_path / "journal").suggest()
    assert suggestion is not None
    assert suggestion.number == 0


def test_a_database_holds_several_studies(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    for name in ("one experiment", "another"):
        drive(make_searcher(SPACES["one"], make_search("tpe"), url, study_name=name), 0, 3)
        drive(make_searcher(SPACES["one"], make_search("tpe"), url, study_name=name), 3, 5)
    study = optuna.load_study(study_name="another", storage=url)
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nosuch://me:secret@host/db", r"found nosuch://me:\*\*\*@host/db, which failed"),
        ("sqlite:////no/such/folder/study.db", "found sqlite:////no/such/folder/study.db, which failed"),
        ("://", "found it, which failed"),
    ],
)
def test_a_database_that_cannot_be_opened(url: str, shown: str) -> None:
    with pytest.raises(ExperimentError, match=shown) as caught:
        open_storage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "space", "message"),
    [
        ({"mode": "max"}, "one", "found search.mode min in the study 'study' and max in the experiment"),
        ({"metric": "other"}, "one", "found search.metric loss in the study 'study' and other in"),
        ({}, "square", "found y absent in the study 'study' and Float"),
    ],
)
def test_a_study_of_another_search(tmp_path: Path, changes: dict[str, str], space: str, message: str) -> None:
    open_searcher("random", "one", tmp_path / "journal")
    with pytest.raises(ResultsError, match=message):
        open_searcher("random", space, tmp_path / "journal", **changes)


def test_a_study_that_we_did_not_begin(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "journal")
    optuna.create_study(storage=storage, study_name="study").ask()
    with pytest.raises(ResultsError, match="found search.metric absent in the study"):
        open_searcher("random", "one", tmp_path / "journal")
