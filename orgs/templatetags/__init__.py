"""Template tags of orgs."""
