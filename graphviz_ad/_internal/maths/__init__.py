"""What is known of operations: their formulas, when these are true, how numbers are written, and the chain rule."""
