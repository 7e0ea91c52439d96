"""A person's own account over HTTP."""
