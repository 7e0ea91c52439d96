"""Fail when a text of ours, or one of the console, has no Chinese.

`--update` brings the catalogue up to date first: new texts are added empty, gone ones dropped,
and the compiled file is written.
"""

import gettext
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import unfold
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import to_locale, trans_real

from core.translations import Found, Text, compiled, read_po, texts_of, write_po

ROOMS = [
    "accounts", "audit", "billing", "bpm", "config", "core", "files", "llm", "orgs", "workflows",
    "templates",
]  # fmt: skip
LANGUAGE = "zh-hans"
CATALOGUE = Path("locale/zh_Hans/LC_MESSAGES/django.po")
HEADER = (
    "Content-Type: text/plain; charset=UTF-8\n"
    "Content-Transfer-Encoding: 8bit\n"
    "Language: zh_Hans\n"
    "Plural-Forms: nplurals=1; plural=0;\n"
)


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--update", action="store_true")

    def handle(self, *args: Any, update: bool, **options: Any) -> None:
        root = Path(settings.BASE_DIR)
        wanted = {**_console_texts(), **texts_of(root, ROOMS)}
        path = root / CATALOGUE
        if update:
            _update(path, wanted)
        entries = read_po(path)
        faults = _untranslated(wanted, entries)
        if path.with_suffix(".mo").read_bytes() != compiled(entries):
            faults.append("The compiled catalogue is older than its source: run with --update.")
        if faults:
            raise CommandError("\n".join([*faults, f"{len(faults)} faults."]))
        self.stdout.write(f"{len(wanted)} texts, each with its Chinese.")


def _console_texts() -> Found:
    """Unfold ships no Chinese; what Django's own catalogues translate for it is left to them."""
    folder = Path(unfold.__file__).parent
    known = _django_catalogue()
    texts = texts_of(folder, ["."])
    return {text: place for text, place in texts.items() if text.id not in known}


def _django_catalogue() -> set[str]:
    django = Path(trans_real.__file__).parents[2]
    folders = [django / "conf/locale", *sorted((django / "contrib").glob("*/locale"))]
    name = to_locale(LANGUAGE)
    found: set[str] = set()
    for folder in folders:
        path = folder / name / "LC_MESSAGES/django.mo"
        if path.exists():
            with path.open("rb") as file:
                catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # noqa: SLF001 - no public listing
            found |= {key if isinstance(key, str) else key[0] for key in catalogue}
    return found


def _update(path: Path, wanted: Found) -> None:
    known = read_po(path)
    entries = {Text(""): [HEADER]} | {text: known.get(text, [""]) for text in wanted}
    write_po(path, entries, wanted)
    path.with_suffix(".mo").write_bytes(compiled(entries))


def _untranslated(wanted: Found, entries: dict[Text, list[str]]) -> list[str]:
    return [
        f"{place}: no Chinese for {text.id!r}"
        for text, place in sorted(wanted.items(), key=lambda item: item[1])
        if not all(entries.get(text, [""]))
    ]
