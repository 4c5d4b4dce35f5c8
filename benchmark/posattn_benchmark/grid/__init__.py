"""Experiments: many trainings that differ in one setting each, measured alike."""
