"""Contrast as painted: every visible text against the colours behind it."""

from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_suffix(".js").read_text()


def weak_texts(page: Any) -> list[str]:
    """`"3.91 Cancelled"` for every text below 4.5 to 1 (3 to 1 when large).

    Texts on a gradient are left out.
    """
    found: list[str] = page.evaluate(_SCRIPT)
    return found
