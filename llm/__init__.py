"""Providers, models and the one way out to them: the gateway."""
