"""Film or Scene -> pages for a browser."""
