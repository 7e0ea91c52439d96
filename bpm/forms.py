"""Actions and form of a task: what a caller may ask for, and what a person may answer.

Plain data in, plain data out; the same check serves page and API.
Action: `{"id", "title", "style"}`. Form: `{"content": markdown, "inputs": [{"name", "type",
"label", "required", "default", "options"}]}`. In the content `{{#$output.name#}}` marks where an
input stands (the notation of Dify's human-input node).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from core.errors import InvalidInput
from core.jsonsafe import is_storable

STYLES = ("primary", "default", "danger", "ghost", "accent")
MAX_TEXT = 20_000
MAX_INPUTS = 100
MAX_DIGITS = 300
_PLACE = re.compile(r"\{\{#\$output\.([^#{}]+)#\}\}")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


class NotAnAnswer(ValueError):
    """One field's value does not fit; the message is for the person who gave it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A piece of the form as it is read: text, or the input that stands there."""

    text: str = ""
    field: Mapping[str, Any] | None = None


def clean_actions(actions: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The choices of a task, each with id, title and a known style; InvalidInput otherwise."""
    cleaned = [_clean_action(action) for action in actions]
    if not cleaned or len({action["id"] for action in cleaned}) != len(cleaned):
        raise InvalidInput(_("A task needs actions with different ids."), actions=list(actions))
    return cleaned


def _clean_action(action: Mapping[str, Any]) -> dict[str, str]:
    given = action.get("id")
    if not isinstance(given, str) or not 0 < len(given) <= 80:
        raise InvalidInput(_("An action needs an id of at most 80 characters."), action=action)
    style = action.get("style", "default")
    return {
        "id": given,
        "title": str(action.get("title") or given)[:120],
        "style": style if style in STYLES else "default",
    }


def clean_form(form: Mapping[str, Any] | None) -> dict[str, Any]:
    """The form as it is stored; InvalidInput names the input that cannot be shown."""
    given = form or {}
    inputs = [_clean_input(entry) for entry in given.get("inputs") or []]
    names = {entry["name"] for entry in inputs}
    if len(names) != len(inputs) or len(inputs) > MAX_INPUTS:
        raise InvalidInput(_("The form's inputs need different names, 100 at most."))
    return {"content": str(given.get("content") or ""), "inputs": inputs}


def _clean_input(entry: Mapping[str, Any]) -> dict[str, Any]:
    name, kind = entry.get("name"), entry.get("type", "text")
    if not isinstance(name, str) or not name:
        raise InvalidInput(_("Every input of the form needs a name."), input=dict(entry))
    if kind not in _READERS:
        raise InvalidInput(_("This type of input is not known."), input=name, type=kind)
    options = [str(option) for option in entry.get("options") or []]
    if kind == "select" and not options:
        raise InvalidInput(_("A choice needs options."), input=name)
    cleaned = {
        "name": name,
        "type": kind,
        "label": str(entry.get("label") or name),
        "required": bool(entry.get("required", False)),
        "options": options,
    }
    return cleaned | {"default": _clean_default(cleaned, entry.get("default"))}


def _clean_default(entry: Mapping[str, Any], value: Any) -> Any:
    """A default an answer could be, else None: a flow may hand over any of its values."""
    if entry["type"] in _TEXTUAL and value is not None and not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    with suppress(NotAnAnswer):
        return None if value is None else _READERS[entry["type"]](entry, value)
    return None


def clean_answers(form: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Typed answers to a form; InvalidInput carries `{"fields": {name: message}}`.

    An input left out takes its default. Numbers may come as text, a page has nothing else.
    """
    inputs = form.get("inputs", [])
    faults = {
        name: _("This form has no such field.")
        for name in data.keys() - {entry["name"] for entry in inputs}
    }
    answers: dict[str, Any] = {}
    for entry in inputs:
        try:
            answers[entry["name"]] = _read(entry, data.get(entry["name"], entry["default"]))
        except NotAnAnswer as fault:
            faults[entry["name"]] = str(fault)
    if faults:
        raise InvalidInput(_("Please correct the form."), fields=faults)
    return answers


def _read(entry: Mapping[str, Any], value: Any) -> Any:
    empty = value is None or (isinstance(value, str) and not value.strip())
    answer = _EMPTY.get(entry["type"]) if empty else _READERS[entry["type"]](entry, value)
    if entry["required"] and (answer is None or answer is False or answer == ""):  # 0 is an answer
        raise NotAnAnswer(_("This field is required."))
    return answer


def _read_text(entry: Mapping[str, Any], value: Any) -> str:
    if not isinstance(value, str):
        raise NotAnAnswer(_("Give a text."))
    if not is_storable(value):
        raise NotAnAnswer(_("The text contains characters that cannot be kept."))
    if len(value) > MAX_TEXT:
        raise NotAnAnswer(_("Give at most %(limit)d characters.") % {"limit": MAX_TEXT})
    return value


def _read_number(entry: Mapping[str, Any], value: Any) -> int | float:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        whole = value.strip().lstrip("+-").isdecimal() and len(value) <= MAX_DIGITS
        value = int(value) if whole else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise NotAnAnswer(_("Give a number."))
    return value


def _is_finite(number: float) -> bool:
    """Whether a double holds it: larger ones pass neither through JSON nor through a flow."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _read_choice(entry: Mapping[str, Any], value: Any) -> str:
    if not isinstance(value, str) or value not in entry["options"]:
        raise NotAnAnswer(_("Choose one of the options."))
    return value


def _read_tick(entry: Mapping[str, Any], value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _TICKS:
        return _TICKS[value]
    raise NotAnAnswer(_("Answer with yes or no."))


_TICKS = {"on": True, "true": True, "off": False, "false": False}
_READERS: dict[str, Callable[[Mapping[str, Any], Any], Any]] = {
    "text": _read_text,
    "paragraph": _read_text,
    "number": _read_number,
    "select": _read_choice,
    "checkbox": _read_tick,
}
_TEXTUAL = ("text", "paragraph", "select")
_EMPTY: dict[str, Any] = {"text": "", "paragraph": "", "checkbox": False, "select": ""}


def lay_out(form: Mapping[str, Any]) -> list[Place]:
    """Content and inputs in reading order; inputs the content does not place come last."""
    waiting = {entry["name"]: entry for entry in form.get("inputs", [])}
    places: list[Place] = []
    pieces = _PLACE.split(form.get("content", ""))
    for text, name in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        if text.strip():
            places.append(Place(text=text.strip("\n")))
        if name in waiting:
            places.append(Place(field=waiting.pop(name)))
    return places + [Place(field=entry) for entry in waiting.values()]
