"""Running programs -> Graph; the only part of the package that knows torch."""
