"""The form in which the dashboard answers."""

import gzip
import json
from typing import Any

from fastapi.responses import Response


def as_json(content: Any, status: int = 200) -> Response:
    """Of a plain tree."""
    return Response(json_bytes(content), status, media_type="application/json")


def json_bytes(content: Any) -> bytes:
    """Text that is no valid Unicode goes out as escapes."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")


def as_packed(packed: bytes, media_type: str, encodings: str) -> Response:
    """Of bytes that gzip has compressed.

    Args:
        encodings: what the client says that it takes.
    """
    if "gzip" not in encodings:
        return Response(gzip.decompress(packed), media_type=media_type)
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(packed, media_type=media_type, headers=headers)
