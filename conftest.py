"""What every test starts from: no trace, an empty cache."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from core.trace import tracing


@pytest.fixture(autouse=True)
def fresh_surroundings() -> Iterator[None]:
    """A trace id or a cached bell of one test must not be found by the next."""
    cache.clear()
    with tracing(""):
        yield
