"""Graph -> Explanation: paths of the chain rule, worked solutions, tangents, and why a gradient is what it is."""
