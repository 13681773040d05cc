"""Operations -> the names that the user's program has for them."""
