"""Measuring trained pipelines, and the tables made of the measurements."""
