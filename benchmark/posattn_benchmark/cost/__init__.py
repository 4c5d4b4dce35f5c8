"""What training and running cost, ours beside spaCy's own ways, measured in one run on one machine."""
