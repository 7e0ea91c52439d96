"""The operators' trace search, by the name the routes know it under."""

from orgs.views.trace import operator_trace

__all__ = ["operator_trace"]
