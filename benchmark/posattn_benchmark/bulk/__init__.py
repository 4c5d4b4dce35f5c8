"""What `posattn annotate` costs: beside `nlp.pipe`, by engine, in memory."""
