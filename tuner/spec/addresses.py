"""Addresses of files that lie elsewhere, s3://bucket/rows/*.csv, where a path may stand too."""

import re

PROTOCOLS = ("s3", "gs", "hf", "http", "https", "memory", "file")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9+.:-]*//")


def is_address(path: str) -> bool:
    """Whether `path` names a protocol; then it is no path of this machine."""
    return _ADDRESS.match(path) is not None


def wrong_address(address: str) -> str | None:
    """The rule that `address` breaks; None: none. What may be a password is not repeated."""
    if "::" in address:
        return "must hold no second address behind '::'; found one; give the file itself"
    protocol, _, rest = address.partition("://")
    if protocol not in PROTOCOLS:
        return f"must be a path or an address of {', '.join(PROTOCOLS)}; found {protocol!r}; correct it"
    if "@" in rest.partition("/")[0]:
        return "must hold no user or password; found one before '@'; give it in the environment instead"
    if "http" in protocol and ("?" in rest or "#" in rest):
        return "must end with the file's name; found '?' or '#', what follows may be a key; leave it out"
    return None
