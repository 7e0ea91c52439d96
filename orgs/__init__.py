"""Tenants: organizations, members, roles, grants, API keys. The only door to guardian."""
