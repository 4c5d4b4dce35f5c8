"""Getting from annotated documents of one's own to a training config."""
