"""Picture or Film -> files: which suffix is made by what, and what notebooks show."""
