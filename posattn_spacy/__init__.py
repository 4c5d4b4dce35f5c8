"""Named entity recognition with positional attention on a frozen transformer, for spaCy."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .view.fragment import visualize

__all__ = ["visualize"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: spaCy imports this package with every command of its own."""
    if name == "visualize":
        from .view.fragment import visualize

        return visualize
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
