"""Named entity recognition with positional attention on a frozen transformer, for spaCy."""
