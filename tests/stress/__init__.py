"""What the package is put through: `python -m stress ROW`, in tests/. See docs/reliability.md."""
