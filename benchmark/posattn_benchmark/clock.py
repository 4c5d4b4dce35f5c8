"""Measuring where time goes."""

import time
from collections import defaultdict
from typing import Any, Callable, DefaultDict, Sequence

from spacy.language import Language
from spacy.tokens import Doc

WARM_UP_DOCS = 200


class Clock:
    """Adds up the time spent in functions, in `seconds` by name."""

    def __init__(self) -> None:
        self.seconds: DefaultDict[str, float] = defaultdict(float)

    def timed(self, name: str, function: Callable) -> Callable:
        """Make a function that adds its time to the sum under a name.

        name (str): The name.
        function (Callable): The function.
        RETURNS (Callable): The same, timed.
        """

        def run(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            result = function(*args, **kwargs)
            self.seconds[name] += time.perf_counter() - started
            return result

        return run

    def timed_layer(self, forward: Callable) -> Callable:
        """Make a layer add its time under "forward" and "backward".

        forward (Callable): The forward function of a thinc layer.
        RETURNS (Callable): The same, timed, its backward pass too.
        """

        def run(*args: Any, **kwargs: Any) -> Any:
            output, backprop = forward(*args, **kwargs)
            return output, self.timed("backward", backprop)

        return self.timed("forward", run)


def pipe_rate(nlp: Language, docs: Sequence[Doc]) -> float:
    """Measure `nlp.pipe` on running text, after a warm-up.

    nlp (Language): The pipeline.
    docs (Sequence[Doc]): Have the texts.
    RETURNS (float): Tokens of the documents per second, however the pipeline's tokenizer cuts their texts.
    """
    warm_up(nlp, docs)
    return timed_rate(nlp, docs)


def warm_up(nlp: Language, docs: Sequence[Doc]) -> None:
    """Run a pipeline over the first documents' texts."""
    for _ in nlp.pipe(doc.text for doc in docs[:WARM_UP_DOCS]):
        pass


def timed_rate(nlp: Language, docs: Sequence[Doc]) -> float:
    """Do as `pipe_rate` without a warm-up."""
    texts = [doc.text for doc in docs]
    started = time.perf_counter()
    for _ in nlp.pipe(texts):
        pass
    return sum(map(len, docs)) / (time.perf_counter() - started)
