"""Graph: what was computed, as values that know no framework and no picture; and Graph -> Graph."""
