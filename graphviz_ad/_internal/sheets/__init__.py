"""Several pictures, tables and bars on one canvas; graphs and methods side by side."""
