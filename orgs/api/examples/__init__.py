"""Examples shown in the API's documentation, split by noun."""
