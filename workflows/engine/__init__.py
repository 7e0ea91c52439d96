"""The engine: plain Python, standard library only. Same input, same output."""
