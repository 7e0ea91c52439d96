"""For trying flows from their files: no database, no pages, and a start in a fraction of a second.

Chosen by manage.py for the parts of the `flow` command that reach nothing outside.
"""

from pathlib import Path

SECRET_KEY = "unused"  # nosec B105 # noqa: S105 - nothing is signed here
INSTALLED_APPS = ["workflows.management.light.LightConfig"]
USE_TZ = True
LANGUAGE_CODE = "en"
LOCALE_PATHS = [Path(__file__).resolve().parent.parent.parent / "locale"]
