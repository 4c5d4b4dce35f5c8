"""Sentences to look at: entities and how sure they are, gate, attention, and gold beside them."""
