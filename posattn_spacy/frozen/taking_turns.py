"""Threads that share a stock transformer run it one after another.

spacy-transformers switches the shared torch module between training and evaluation in every prediction, and
sets padding and truncation of the shared tokenizer: threads that run it at once fail, or see dropout without
a word. A frozen transformer changes nothing when it runs, and needs no turns.
"""

from threading import RLock
from typing import Any, Callable, Tuple

from thinc.api import Model


class InTurn:
    """A function that one thread at a time can run.

    function (Callable[..., Any]): The function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._lock = RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function when it is this thread's turn."""
        with self._lock:
            return self._function(*args, **kwargs)

    def __reduce__(self) -> Tuple[Any, ...]:
        return InTurn, (self._function,)  # a copy, as in another process, has turns of its own


_INSTALLING = RLock()


def take_turns(model: Model) -> None:
    """Let threads run the stock transformers within a model one after another.

    model (Model): The model of a `transformer` component, or of one that holds a transformer of its own.
    """
    for node in model.walk():
        if node.name == "transformer" and not isinstance(node._func, InTurn):
            with _INSTALLING:
                if not isinstance(node._func, InTurn):
                    node._func = InTurn(node._func)
