"""Texts are found where they stand, and catalogues read back as they were written."""

import gettext
import io
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from core.translations import Text, compiled, read_po, texts_of, write_po

SOURCE = """
from django.utils.translation import gettext_lazy as _, ngettext
from core.errors import InvalidInput

LABEL = _("A label")
LONG = _("one "
         "text")
MANY = ngettext("%(n)s run", "%(n)s runs", 2)

def refuse(name):
    raise InvalidInput("Not this.", name=name)

def fail():
    raise ValueError("Nobody reads this.")
"""
TEMPLATE = """{% load i18n ui %}
{% if x %}{% translate "Deep %" %}{% else %}
{% blocktranslate with a=b %}Hi {{ a }}{% endblocktranslate %}{% endif %}
{% include "ui/_empty.html" with title=_("Given") text="Not translated" %}
{% blocktranslate count n=x %}{{ n }} task{% plural %}{{ n }} tasks{% endblocktranslate %}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "room" / "templates").mkdir(parents=True)
    (tmp_path / "room" / "tests").mkdir()
    (tmp_path / "room" / "code.py").write_text(SOURCE)
    (tmp_path / "room" / "tests" / "test_code.py").write_text('_("Of a test")')
    (tmp_path / "room" / "templates" / "page.html").write_text(TEMPLATE)
    return tmp_path


def test_finds_texts_of_code_refusals_and_templates(project):
    found = texts_of(project, ["room"])

    assert set(found) == {
        Text("A label"),
        Text("one text"),
        Text("%(n)s run", "%(n)s runs"),
        Text("Not this."),
        Text("Deep %%"),
        Text("Hi %(a)s"),
        Text("Given"),
        Text("%(n)s task", "%(n)s tasks"),
    }
    assert found[Text("A label")] == "room/code.py:5"


def test_a_catalogue_reads_back_as_it_was_written(tmp_path):
    entries = {
        Text(""): [
            "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=1; plural=0;\n"
        ],
        Text('quo"te\\and\nline'): ["引\n号"],
        Text("%(n)s task", "%(n)s tasks"): ["%(n)s 个任务"],
        Text("unknown"): [""],
    }

    write_po(tmp_path / "django.po", entries, {})

    assert read_po(tmp_path / "django.po") == entries


def test_the_compiled_form_is_what_gettext_reads():
    entries = {
        Text(""): [
            "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=1; plural=0;\n"
        ],
        Text("Run"): ["运行"],
        Text("%(n)s task", "%(n)s tasks"): ["%(n)s 个任务"],
        Text("unknown"): [""],
    }

    catalogue = gettext.GNUTranslations(io.BytesIO(compiled(entries)))

    assert catalogue.gettext("Run") == "运行"
    assert catalogue.ngettext("%(n)s task", "%(n)s tasks", 3) == "%(n)s 个任务"
    assert catalogue.gettext("unknown") == "unknown"


def test_every_text_of_the_product_has_its_chinese():
    call_command("check_translations", stdout=io.StringIO())


def test_a_missing_translation_is_named(settings, tmp_path):
    settings.BASE_DIR = tmp_path
    (tmp_path / "orgs").mkdir()
    (tmp_path / "orgs" / "views.py").write_text('_("Never seen before")')
    catalogue = tmp_path / "locale/zh_Hans/LC_MESSAGES"
    catalogue.mkdir(parents=True)
    (catalogue / "django.po").write_bytes((OURS / "django.po").read_bytes())
    (catalogue / "django.mo").write_bytes((OURS / "django.mo").read_bytes())

    with pytest.raises(CommandError, match=r"orgs/views.py:1: no Chinese for 'Never seen before'"):
        call_command("check_translations", stdout=io.StringIO())


OURS = Path(settings.BASE_DIR) / "locale/zh_Hans/LC_MESSAGES"
