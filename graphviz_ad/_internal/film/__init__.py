"""Graph -> Film: what happens when, on a stage where nothing moves."""
