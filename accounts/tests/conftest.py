"""A provider for the tests of sign-on, one process for all of them."""

from collections.abc import Iterator

import pytest

from tests.oidc_provider import RunningProvider, running_provider


@pytest.fixture(scope="package")
def running() -> Iterator[RunningProvider]:
    with running_provider() as found:
        yield found


@pytest.fixture
def provider(running: RunningProvider) -> RunningProvider:
    """Honest again."""
    running.obey(claims=running.person("grace@northwind.example"))
    return running
