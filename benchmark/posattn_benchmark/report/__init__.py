"""The report: one page with the figures of all experiments, and charts of them."""
