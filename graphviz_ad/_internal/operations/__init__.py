"""What is known of each operation and of each function in a formula, as data: the one place that knows them by name."""
