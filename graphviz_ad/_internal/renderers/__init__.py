"""Canvas, Film -> bytes; one module for each family of formats."""
