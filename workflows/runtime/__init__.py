"""The engine's hands: claiming, committing, waking. The database is the truth here."""
