"""Tasks over HTTP, under `/api/v1/tasks/`."""
