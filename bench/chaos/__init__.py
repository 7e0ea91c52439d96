"""Runs of every shape while workers, beat, broker and database are killed under them."""
