"""Several corpora and several systems: what each system makes of each corpus, and what it costs."""
