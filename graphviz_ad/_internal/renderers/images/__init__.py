"""Canvas or shots -> pixels: PNG, moving pictures, video."""
