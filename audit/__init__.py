"""The append-only trail. Plain ids, no foreign keys: entries outlive what they describe."""
