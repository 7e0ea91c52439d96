"""How bodies are read. Apart from `core.api`: DRF's views import this while they are loaded."""

import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import (  # type: ignore[attr-defined]  # newer than its stubs
    JSONParser,
    get_encoding,
)
from rest_framework.utils.json import strict_constant


class StrictJSONParser(JSONParser):
    """JSON without repeated keys and without NaN.

    What is nested beyond what Python can read is the caller's fault, not ours. Raises ParseError
    and RepeatedParameter.
    """

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        # Late: `core.repeats` needs `core.api`, which imports the views.
        from core.repeats import once  # noqa: PLC0415

        encoding = get_encoding(parser_context or {})
        try:
            text = stream.read().decode(encoding)
            return json.loads(text, parse_constant=strict_constant, object_pairs_hook=once)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from error
