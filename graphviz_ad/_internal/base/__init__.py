"""What every room may need and no subject owns: errors, registries, files that are whole or untouched, visible text."""
