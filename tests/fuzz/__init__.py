"""The REST API against its own OpenAPI document, by generated requests (`make fuzz-api`)."""
