"""cleanlab's ranking of tokens; it needs another numpy, so this file is run by itself, elsewhere."""

import json
import sys

import numpy as np
from cleanlab.token_classification.filter import find_label_issues


def main(given: str, taken: str) -> None:
    """Rank tokens by how probably their labels are wrong.

    given (str): An .npz file: `tags` (tokens,), `probabilities` (tokens, tags), `lengths` (sentences,).
    taken (str): A .json file, for pairs of sentence and token, the worst first.
    """
    with np.load(given) as arrays:
        tags, probabilities, lengths = (arrays[name] for name in ("tags", "probabilities", "lengths"))
    ends = np.cumsum(lengths)[:-1]
    labels = [part.tolist() for part in np.split(tags, ends)]
    issues = find_label_issues(labels, np.split(probabilities, ends))
    with open(taken, "w", encoding="utf-8") as file:
        json.dump([[int(sentence), int(token)] for sentence, token in issues], file)


if __name__ == "__main__":
    main(*sys.argv[1:])
