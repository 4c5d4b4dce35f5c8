"""What a check finds."""

from typing import Literal, NamedTuple

Verdict = Literal["pass", "warn", "unknown"]


class Finding(NamedTuple):
    """The outcome of one check.

    verdict (str): "pass", "warn", or "unknown" where something needed is missing.
    said (str): What was found, in a sentence.
    remedy (str): What to do about it; nothing if it passed.
    """

    verdict: Verdict
    said: str
    remedy: str = ""


def judged(passed: bool, said: str, remedy: str) -> Finding:
    """RETURNS (Finding): A finding that passes or warns; the remedy is for the second."""
    return Finding("pass", said) if passed else Finding("warn", said, remedy)


def is_rare(n: int, total: int) -> bool:
    """RETURNS (bool): Whether so few of so many are concerned that nothing need be done: no more than 1 %."""
    return 100 * n <= total
