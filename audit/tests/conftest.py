"""Events of the tests are registered before any of them records one."""

import audit.tests.events  # noqa: F401
