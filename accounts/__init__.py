"""People: users, sign-in, tokens. The only door to allauth."""
