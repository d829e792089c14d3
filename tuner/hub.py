"""Files of the Hugging Face Hub, as a folder: from its cache where they are there, else fetched into it.

    folder = hub_folder("owner/name", ["config.json", "*.safetensors"])

What is in the cache is taken from there without asking the Hub, so what ran once runs without the network,
and on the same files. Only `is_news` asks which commit a revision is at now. Nothing waits for a network that
is away: the error comes at once.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal


def hub_folder(
    name: str,
    patterns: Sequence[str],
    *,
    kind: Literal["model", "dataset"] = "model",
    revision: str | None = None,
    is_news: bool = False,
) -> Path:
    """The folder with those files of a repository that match `patterns`; it is named after the commit.

    Args:
        revision: a branch, a tag or a commit; None: the main branch.
        is_news: whether the Hub is asked for the newest commit of `revision`, where it can be reached.

    Raises:
        Exception: of many types, of the libraries below too; `hub_failure` says it in words.
    """
    from huggingface_hub import get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError, LocalEntryNotFoundError

    options: dict[str, Any] = {"repo_type": kind, "revision": revision}
    if not is_news:
        try:
            # Without the list of the repository's files the cache cannot tell whether it has them all.
            get_cached_repo_tree(name, **options)
            return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=True, **options))
        except (CachedRepoTreeNotFoundError, LocalEntryNotFoundError):
            pass
    return Path(snapshot_download(name, allow_patterns=patterns, **options))


def hub_failure(error: Exception) -> str:
    """Why `hub_folder` failed, as a part of a sentence."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError):
        return "it is not in the cache, and the Hub is out of reach"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
