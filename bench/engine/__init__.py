"""The durable engine, through Celery and a real worker, beside its peers: `make bench-engine`."""
