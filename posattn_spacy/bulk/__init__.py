"""Annotating more text than one would hold in memory, on one machine or on many: `posattn annotate`."""
