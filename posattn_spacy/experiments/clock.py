"""Measuring where time goes."""

import time
from collections import defaultdict
from typing import Any, Callable, DefaultDict


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
