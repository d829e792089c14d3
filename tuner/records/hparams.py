"""What a run says of itself to TensorBoard's HParams tab: its parameters, and how it ended.

    session = Session()
    for content in file.sessions:      # as `tuner.records.event_reader` finds it
        session.note(content)
    session.params, session.status

`SessionStartInfo` and `SessionEndInfo` of TensorBoard's plugins/hparams/plugin_data.proto.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

from tuner.records.wire import BYTES, FIXED64, VARINT, fields_of, key

_SESSION_START, _SESSION_END = key(3, BYTES), key(4, BYTES)
_HPARAMS = key(1, BYTES)
_ENTRY_NAME, _ENTRY_VALUE = key(1, BYTES), key(2, BYTES)
_NUMBER, _TEXT, _BOOL = key(2, FIXED64), key(3, BYTES), key(4, VARINT)
_STATUS = key(1, VARINT)
_STATUSES = {1: "success", 2: "failure", 3: "running"}


@dataclass
class Session:
    """What has been read so far."""

    params: dict[str, Any] = field(default_factory=dict)
    """Name to number, text or boolean; of what is none of these None."""
    status: str | None = None
    """`success`, `failure` or `running`; None where nobody said."""

    def note(self, content: bytes) -> None:
        """Takes one `HParamsPluginData`; what is malformed is left out."""
        for found, message in fields_of(content):
            if found == _SESSION_START and isinstance(message, bytes):
                self.params |= _params(message)
            elif found == _SESSION_END and isinstance(message, bytes):
                self.status = _STATUSES.get(_one(message, _STATUS), self.status)


def _params(message: bytes) -> dict[str, Any]:
    entries = [entry for found, entry in fields_of(message) if found == _HPARAMS]
    return {_name(entry): _value(_one(entry, _ENTRY_VALUE)) for entry in entries if isinstance(entry, bytes)}


def _name(entry: bytes) -> str:
    return bytes(_one(entry, _ENTRY_NAME) or b"").decode(errors="replace")


def _value(message: bytes | None) -> Any:
    """Of a google.protobuf.Value."""
    for found, content in fields_of(message or b""):
        if found == _NUMBER and isinstance(content, bytes):
            return struct.unpack("<d", content)[0]
        if found == _TEXT and isinstance(content, bytes):
            return content.decode(errors="replace")
        if found == _BOOL:
            return bool(content)
    return None


def _one(message: bytes, wanted: int) -> Any:
    """The last field with this key; None where there is none."""
    contents = [content for found, content in fields_of(message) if found == wanted]
    return contents[-1] if contents else None
