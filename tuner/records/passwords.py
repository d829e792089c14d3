"""Passwords in URLs, such as that of `search.storage`, are not shown to whoever reads results."""

import re
from typing import Any

_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s/@]+(?=@)")


def masked(value: Any) -> Any:
    """Text, or a tree of plain values, with `***` for each password in a URL."""
    if isinstance(value, str):
        return _PASSWORD.sub(r"\1***", value)
    if isinstance(value, dict):
        return {key: masked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [masked(each) for each in value]
    return value
