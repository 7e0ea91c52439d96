"""Which texts people can read, and whether each has its Chinese. Needs no gettext tools.

Texts are read where they stand: gettext calls in Python, refusals (`raise InvalidInput("…")`:
pages translate them when they are shown), and the translation tags of templates, parsed by
Django's own engine so that their ids are exactly those asked for at run time.

Catalogue files: `.po` and `.mo` as described in the GNU gettext manual, chapter 10.
"""

import ast
import struct
from collections.abc import Iterator, Mapping, ValuesView
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.template import Engine, TemplateSyntaxError
from django.template.base import FilterExpression, Node, TextNode
from django.template.engine import Engine as TemplateEngine
from django.templatetags.i18n import BlockTranslateNode, TranslateNode
from django.utils.functional import Promise
from django.utils.translation import override

from core import errors

CALLS = {"_", "gettext", "gettext_lazy", "gettext_noop"}
PLURAL_CALLS = {"ngettext", "ngettext_lazy"}


@dataclass(frozen=True, order=True, slots=True)
class Text:
    """One entry of a catalogue; `plural` is "" where there is only one form."""

    id: str
    plural: str = ""


Found = dict[Text, str]
"""text -> where it stands first, as `path:line`."""


def texts_of(root: Path, folders: list[str], engine: TemplateEngine | None = None) -> Found:
    """Every text under `root/<folder>`, tests and migrations left out."""
    found: Found = {}
    paths = list(_files(root, folders))
    refusals = _refusals(paths)
    for path in paths:
        place = str(path.relative_to(root))
        for line, text in _read(path, engine or Engine.get_default(), refusals):
            found.setdefault(text, f"{place}:{line}")
    return found


def _files(root: Path, folders: list[str]) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if not {"tests", "migrations"} & set(path.relative_to(root).parts):
                yield path


def _refusals(paths: list[Path]) -> set[str]:
    """Names of all kinds of DomainError, read from the sources: not all of them are imported."""
    bases: dict[str, set[str]] = {}
    for path in paths:
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    names = {_last_name(base) for base in node.bases}
                    bases.setdefault(node.name, set()).update(names)
    found = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found


def _last_name(base: ast.expr) -> str:
    return base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")


def _read(path: Path, engine: TemplateEngine, refusals: set[str]) -> Iterator[tuple[int, Text]]:
    if path.suffix == ".py":
        yield from _python_texts(ast.parse(path.read_text()), refusals)
    elif path.suffix in {".html", ".txt"} and "templates" in path.parts:
        yield from _template_texts(path.read_text(), engine)


def _python_texts(tree: ast.AST, refusals: set[str]) -> Iterator[tuple[int, Text]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            if _name(node.exc) in refusals:
                yield from _constants(node.exc, 1)
        elif isinstance(node, ast.Call) and _name(node) in CALLS:
            yield from _constants(node, 1)
        elif isinstance(node, ast.Call) and _name(node) in PLURAL_CALLS:
            yield from _constants(node, 2)


def _name(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _constants(call: ast.Call, count: int) -> Iterator[tuple[int, Text]]:
    """The call's first `count` arguments, where they are written out."""
    given = [arg.value for arg in call.args[:count] if isinstance(arg, ast.Constant)]
    if len(given) == count and all(isinstance(value, str) and value for value in given):
        yield call.lineno, Text(*map(str, given))


def _template_texts(source: str, engine: TemplateEngine) -> Iterator[tuple[int, Text]]:
    try:
        parsed = engine.from_string(source)
    except TemplateSyntaxError as error:
        if "not a registered tag library" in str(error):
            return  # of a package's optional part: what cannot be shown here, nobody reads
        raise
    for node in parsed.nodelist.get_nodes_by_type(Node):
        if isinstance(node, TextNode):
            continue
        line = (node.token.lineno if node.token else 0) or 0
        if isinstance(node, BlockTranslateNode):
            yield line, _block_text(node)
        for expression in _expressions(node):
            if text := _literal(expression, always=isinstance(node, TranslateNode)):
                yield line, Text(text)


def _block_text(node: Any) -> Text:
    singular, _ = node.render_token_list(node.singular)
    if not (node.plural and node.countervar):
        return Text(singular)
    plural, _ = node.render_token_list(node.plural)
    return Text(singular, plural)


def _expressions(node: Node) -> Iterator[FilterExpression]:
    """The node's arguments: those of `include … with` and of tags are kept in dicts and lists."""
    for value in vars(node).values():
        held = value.values() if isinstance(value, dict) else value
        for one in held if isinstance(held, list | tuple | ValuesView) else [value]:
            if isinstance(one, FilterExpression):
                yield one


def _literal(expression: Any, *, always: bool) -> str:
    """The text of `{% translate "…" %}` and of `_("…")` in any tag."""
    variable = expression.var
    if isinstance(variable, Promise):
        with override(None):
            return str(variable)
    if isinstance(variable, str):
        return variable if always else ""
    literal = getattr(variable, "literal", None)
    wanted = always or getattr(variable, "translate", False)
    return literal.replace("%", "%%") if wanted and isinstance(literal, str) else ""


# --- catalogue files ------------------------------------------------------------------------------
def read_po(path: Path) -> dict[Text, list[str]]:
    """Forms by text; the header is under `Text("")`."""
    entries: dict[Text, list[str]] = {}
    if not path.exists():
        return entries
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        fields = _po_fields(block)
        if "msgid" in fields:
            forms = [value for key, value in fields.items() if key.startswith("msgstr")]
            entries[Text(fields["msgid"], fields.get("msgid_plural", ""))] = forms
    return entries


def _po_fields(block: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    key = ""
    for line in block.splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, rest = ("", "", line) if line.startswith('"') else line.partition(" ")
        key = name or key
        fields[key] = fields.get(key, "") + ast.literal_eval(rest)
    return fields


def write_po(path: Path, entries: Mapping[Text, list[str]], places: Found) -> None:
    """One entry a text, sorted, so that a change shows as a change of its lines alone."""
    blocks = [
        _po_block(text, forms, places.get(text, "")) for text, forms in sorted(entries.items())
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def _po_block(text: Text, forms: list[str], place: str) -> str:
    lines = [f"#: {place.rpartition(':')[0]}"] if place else []
    lines.append(f"msgid {_quoted(text.id)}")
    if text.plural:
        lines.append(f"msgid_plural {_quoted(text.plural)}")
        lines += [f"msgstr[{number}] {_quoted(form)}" for number, form in enumerate(forms)]
    else:
        lines.append(f"msgstr {_quoted(forms[0])}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    parts = escaped.replace("\n", "\\n\n").split("\n")
    if len(parts) == 1:
        return f'"{escaped}"'
    return "\n".join(['""', *(f'"{part}"' for part in parts if part)])


def compiled(entries: Mapping[Text, list[str]]) -> bytes:
    """The `.mo` file of all translated entries, ids sorted as its binary search needs."""
    rows = sorted(
        ("\0".join(filter(None, (text.id, text.plural))).encode(), "\0".join(forms).encode())
        for text, forms in entries.items()
        if all(forms)
    )
    start = 28 + 16 * len(rows)
    ids, strings = b"".join(k + b"\0" for k, _ in rows), b"".join(v + b"\0" for _, v in rows)
    header = struct.pack("<7I", 0x950412DE, 0, len(rows), 28, 28 + 8 * len(rows), 0, start)
    id_table = _table([key for key, _ in rows], start)
    string_table = _table([value for _, value in rows], start + len(ids))
    return header + id_table + string_table + ids + strings


def _table(values: list[bytes], offset: int) -> bytes:
    table = b""
    for value in values:
        table += struct.pack("<2I", len(value), offset)
        offset += len(value) + 1
    return table
