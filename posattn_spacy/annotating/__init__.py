"""While a corpus is annotated: new models in seconds, what is annotated wrong, what to annotate next."""
