"""Whether a trained head does what it is meant to, and what to change if not."""
