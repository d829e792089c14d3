"""The tokenizer files of a pretrained model, from its folder or from the Hugging Face Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tuner.data.sources.files import reason
from tuner.errors import DataError
from tuner.hub import hub_failure, hub_folder

_VOCABULARY, _SETTINGS = "tokenizer.json", "tokenizer_config.json"


def read_tokenizer(name: str) -> tuple[str, int]:
    """The content of tokenizer.json, and the token that fills up short rows.

    Args:
        name: an absolute path, or a name on the Hub.

    Raises:
        DataError: there is none, or it has neither a padding nor an end token.
    """
    content = _read(name, _VOCABULARY)
    if content is None:
        raise DataError(
            f"a pretrained tokenizer needs a {_VOCABULARY}, but {name} has none; "
            "save it with save_pretrained of a fast tokenizer of transformers"
        )
    try:
        padding = _padding(json.loads(content), json.loads(_read(name, _SETTINGS) or "{}"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"a pretrained tokenizer must be as it was saved, but the files of {name} cannot be read "
            f"({type(error).__name__}: {reason(error)}); put back a copy of them"
        ) from error
    if padding is None:
        raise DataError(
            f"a pretrained tokenizer must have a padding or an end token, but {name} has neither; "
            f"name a token of it as pad_token in {_SETTINGS}"
        )
    return content, padding


def _padding(fields: dict[str, Any], settings: dict[str, Any]) -> int | None:
    """`pad_token` of the settings, else the padding that tokenizer.json does, else `eos_token`."""
    vocabulary = fields["model"]["vocab"]
    ids = vocabulary if isinstance(vocabulary, dict) else {}
    ids = ids | {token["content"]: token["id"] for token in fields.get("added_tokens", [])}
    if settings.get("pad_token") is None and fields.get("padding"):
        return int(fields["padding"]["pad_id"])
    token = settings.get("pad_token") or settings.get("eos_token")
    return ids.get(token["content"] if isinstance(token, dict) else token)


def _read(name: str, file: str) -> str | None:
    """None: the model has no such file."""
    path = _path(name, file)
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(
            f"a tokenizer must be UTF-8, but {path} is not: {reason(error)}; save it again"
        ) from error


def _path(name: str, file: str) -> Path | None:
    folder = Path(name) if Path(name).is_absolute() else _of_hub(name)
    if not folder.is_dir():
        raise DataError(
            f"data.text.tokenizer.name must be the folder of a model, but {name} is none; correct the path"
        )
    return folder / file if (folder / file).is_file() else None


def _of_hub(name: str) -> Path:
    try:
        return hub_folder(name, [_VOCABULARY, _SETTINGS])
    except Exception as error:
        # Offline, not found and not allowed are of many types, of the libraries below too.
        raise DataError(
            f"data.text.tokenizer.name must be a folder (which begins with ./) or a model on the Hugging "
            f"Face Hub, but {name} cannot be had from there ({hub_failure(error)}); correct it, or give a "
            f"folder"
        ) from error
