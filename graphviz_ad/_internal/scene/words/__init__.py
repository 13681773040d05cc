"""Graph -> Words: everything that is written on the picture of a graph, decided once a node and once an edge."""
