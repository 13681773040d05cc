"""Programs written for other tools -> the same call, the same kind of result, made from what we record."""
