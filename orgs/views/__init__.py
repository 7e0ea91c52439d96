"""Pages of orgs, split by noun. Every write goes through the action the API uses."""
