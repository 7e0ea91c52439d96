"""From bytes to YAML text: size, encoding and the JSON wrapper of raw API exports."""

import json
import re

from workflows.dify.report import Notes, Place

LARGEST = 10 * 1024 * 1024
WRAPPER = re.compile(r'\s*\{\s*"data"\s*:\s*(?=")')
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
MARK = "\ufeff"


def read_text(raw: bytes, notes: Notes) -> str | None:
    """The YAML text, or None with the reason noted as a fault."""
    if len(raw) > LARGEST:
        notes.fault("file_too_large", limit=LARGEST // 1024 // 1024)
        return None
    text = _decode(raw, notes)
    if text is None:
        return None
    if text.startswith(MARK):
        text = text.removeprefix(MARK)
        notes.repair("byte_order_mark", Place(line=1), before="U+FEFF", after="")
    text = _unwrap(text, notes)
    if not text.strip():
        notes.fault("file_empty")
        return None
    return _storable(text, notes)


def _decode(raw: bytes, notes: Notes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        notes.fault("not_utf8", Place(line=line), offset=error.start)
        return None


def _unwrap(text: str, notes: Notes) -> str:
    """Take the YAML out of `{"data": "<yaml>"}`.

    Only that one string is decoded: a JSON document at large would not be bounded in memory.
    """
    if not (wrapper := WRAPPER.match(text)):
        return text
    try:
        inner, _ = json.JSONDecoder().raw_decode(text, wrapper.end())
    except ValueError:
        return text
    notes.repair("json_wrapper", Place(line=1), before='{"data": …}', after="YAML")
    return str(inner).removeprefix(MARK)


def _storable(text: str, notes: Notes) -> str | None:
    if found := UNSTORABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        notes.fault("bad_character", Place(line=line), character=f"U+{ord(found.group()):04X}")
        return None
    return text
