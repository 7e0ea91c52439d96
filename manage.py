#!/usr/bin/env python
import os
import sys


def settings_for(arguments):
    """Flows are tried without the rest of the product, where they reach nothing outside."""
    mocked = any(argument.startswith("--mocks") for argument in arguments)
    tries = arguments[:2] in (["flow", "validate"], ["flow", "test"])
    if tries or (arguments[:2] == ["flow", "run"] and mocked):
        return "workflows.management.settings"
    return "config.settings.base"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_for(sys.argv[1:]))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
