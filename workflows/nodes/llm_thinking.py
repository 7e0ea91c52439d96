"""Telling a model's thinking from its answer: `<think>…</think>` inside the text."""

import re

OPEN, CLOSE = "<think>", "</think>"
OPENING = re.compile(r"<think[^>]{0,200}>", re.IGNORECASE)
CLOSING = re.compile(CLOSE, re.IGNORECASE)


def split_thinking(text: str) -> tuple[str, str]:
    """The text without its thoughts, and the thoughts. Reads on only: a model chose the tags."""
    kept: list[str] = []
    thoughts: list[str] = []
    at = 0
    while (begin := OPENING.search(text, at)) and (end := CLOSING.search(text, begin.end())):
        kept.append(text[at : begin.start()])
        thoughts.append(text[begin.end() : end.start()].strip())
        at = end.end()
    if not thoughts:
        return text, ""
    return "".join([*kept, text[at:]]).strip(), "\n".join(thoughts)


class ThinkFilter:
    """Lets through what is outside of the tags, however the text is cut into pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._started = False

    def feed(self, piece: str) -> str:
        self._held += piece
        out: list[str] = []
        while self._held:
            mark = CLOSE if self._inside else OPEN
            at = self._held.lower().find(mark)
            if at < 0:
                out.append(self._release(mark))
                break
            if not self._inside:
                out.append(self._held[:at])
            self._held = self._held[at + len(mark) :]
            self._inside = not self._inside
        return self._without_leading_space("".join(out))

    def _release(self, mark: str) -> str:
        """Give out all but an ending that could still become the mark."""
        keep = 0
        for size in range(1, min(len(mark), len(self._held) + 1)):
            if mark.startswith(self._held[-size:].lower()):
                keep = size
        text, self._held = (
            self._held[: len(self._held) - keep],
            self._held[len(self._held) - keep :],
        )
        return "" if self._inside else text

    def _without_leading_space(self, text: str) -> str:
        if not self._started:
            text = text.lstrip()
            self._started = bool(text)
        return text
