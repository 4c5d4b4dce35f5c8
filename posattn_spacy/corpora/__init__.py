"""Corpora: from annotated text files to spaCy documents, split into train, dev and test."""
