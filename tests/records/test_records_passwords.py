"""What is shown of a URL with a password."""

import pytest

from tuner.records.passwords import masked

URL = "postgresql+psycopg://me:s3cr:t@db:5432/studies"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://me:secret@db:5432/studies", "postgresql://me:***@db:5432/studies"),
        ("storage: postgresql://:secret@db/x\nname: a", "storage: postgresql://:***@db/x\nname: a"),
        (
            {"search": {"storage": "mysql://a:b@c"}, "words": ["--set", "search.storage=mysql://a:b@c"]},
            {"search": {"storage": "mysql://a:***@c"}, "words": ["--set", "search.storage=mysql://a:***@c"]},
        ),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("sqlite:///a.db and mail to me@host", "sqlite:///a.db and mail to me@host"),
        (7, 7),
    ],
)
def test_a_password_in_a_url_is_masked_and_nothing_else(value: object, shown: object) -> None:
    assert masked(value) == shown


def test_a_password_with_a_colon() -> None:
    assert masked(URL) == "postgresql+psycopg://me:***@db:5432/studies"
