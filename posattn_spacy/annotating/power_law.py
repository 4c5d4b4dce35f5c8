"""How far an error falls with more data, by a power law, and how sure that is (DESIGN.md 2.13)."""

from typing import NamedTuple, Sequence

import numpy as np

EXPONENTS = np.geomspace(0.05, 1.5, 80)
FLOORS = np.linspace(0.0, 1.0, 80, endpoint=False)  # of the least error that was seen
NOISE = 0.003  # of an error, at least: what seeds alone differ by
RANGE = 0.05, 0.95  # of the distribution, between low and high


class Extrapolation(NamedTuple):
    """What a score is expected to be.

    expected (float): Mean over all curves, by how well they fit.
    low (float): The score is expected to be above with a probability of 95 %.
    high (float): The same for below.
    """

    expected: float
    low: float
    high: float


def extrapolate(sizes: Sequence[float], scores: Sequence[float], size: float) -> Extrapolation:
    """Say what a score will be with more data.

    The error is taken to be `floor + factor · size^-exponent`. Over a grid of floors and exponents, each with
    the factor that fits best, curves are weighed by their likelihood with the noise integrated out.

    sizes (Sequence[float]): How much data each score was reached with, above 0.
    scores (Sequence[float]): The scores, from 0 to 1, several for a size perhaps.
    size (float): How much data there will be.
    RETURNS (Extrapolation): The score that is expected.
    RAISES (ValueError): If there are fewer than three sizes.
    """
    n, errors = np.asarray(sizes, dtype=float), 1 - np.asarray(scores, dtype=float)
    if len(np.unique(n)) < 3:
        raise ValueError(f"{len(np.unique(n))} sizes show no curve: give three or more.")
    exponent, floor = (grid.ravel()[:, None] for grid in np.meshgrid(EXPONENTS, FLOORS * errors.min()))
    x = (n / n.max()) ** -exponent  # (curves, scores)
    factor = ((errors - floor) * x).sum(1, keepdims=True) / (x * x).sum(1, keepdims=True)
    squares = ((errors - floor - factor * x) ** 2).sum(1)
    log_weight = -(len(n) - 1) / 2 * np.log(squares + len(n) * NOISE**2)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    found = 1 - (floor + factor * (size / n.max()) ** -exponent)[:, 0]
    order = np.argsort(found)
    low, high = np.interp(RANGE, weight[order].cumsum(), found[order])
    return Extrapolation(float((weight * found).sum()), float(low), float(high))
