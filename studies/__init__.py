"""Studies, and what only they need."""
