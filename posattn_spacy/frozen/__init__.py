"""The frozen encoder: run without a graph, and listened to without a backward pass."""
