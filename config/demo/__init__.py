"""Demonstration data: real people, a real flow and real money of a small organization."""
