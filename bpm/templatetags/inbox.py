"""Text that comes from flows and people, made safe to show."""

import json
from typing import Any

import nh3
from django import template
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

register = template.Library()

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "hr", "li", "ol", "p",
    "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(
    ["table", "strikethrough"]
)


@register.filter
def markdown(text: str) -> SafeString:
    """CommonMark with tables; raw HTML stays text, images (they call other servers) are dropped."""
    cleaned = nh3.clean(
        _parser.render(text), tags=TAGS, attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"}, link_rel="noopener noreferrer nofollow",
    )  # fmt: skip
    return mark_safe(cleaned)  # nosec B308 B703 # noqa: S308 - nh3 has just cleaned it


@register.filter
def fact(value: Any) -> str:
    """A value of a snapshot as one reads it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def is_long(value: Any) -> bool:
    """Whether a value needs a block of its own."""
    text = fact(value)
    return len(text) > 120 or "\n" in text
