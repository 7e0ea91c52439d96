"""Measurements. Each module is a command that prints rows and, last, one JSON object."""
