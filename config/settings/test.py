"""Settings of the suite: the same module, a throw-away data folder, quick password hashing."""

import ipaddress
import os
import tempfile

os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="loomwork-test-"))
os.environ.setdefault("LOG_LEVEL", "WARNING")
os.environ.setdefault("LOG_FORMAT", "console")

from config.settings.base import *

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
KEY_USE_FLUSH_SECONDS = 0  # no timer that writes between the tests
OUTGOING_ALLOW = [ipaddress.ip_network("127.0.0.0/8")]
ALLOWED_HOSTS = ["*"]
if not DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A test that drops its database cannot wait for a pool that holds connections open.
    DATABASES["default"]["OPTIONS"].pop("pool", None)
else:
    # A file, not memory: the engine, the ledger and the suite each open their own connection.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
API_RATE = API_RATE_ANONYMOUS = 0  # the suite asks more than any caller; tests of limits set them
