"""The form in which the dashboard answers."""

import json
from typing import Any

from fastapi.responses import Response


def as_json(content: Any, status: int = 200) -> Response:
    """Of a plain tree; text that is no valid Unicode goes out as escapes."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(errors="backslashreplace"), status, media_type="application/json")
