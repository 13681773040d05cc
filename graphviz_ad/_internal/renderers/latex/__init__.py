"""Film or Canvas -> LaTeX."""
