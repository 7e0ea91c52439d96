"""Workflows: what they are, how they are imported, and how they run durably."""
