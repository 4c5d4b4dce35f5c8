"""What is measured of a system's pipeline, in a process of its own."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Dict

import spacy
import typer

from ..benchmark import confidence_figures, predict, read_examples, score_examples
from ..clock import pipe_rate
from .shares import share_figures

TIMED_DOCS = 2000


def measure(model: Path, corpus: Path, *, trial: bool) -> Dict[str, Any]:
    """Measure a pipeline.

    model (Path): Its folder.
    corpus (Path): Holds dev.spacy and test.spacy.
    trial (bool): Whether test is not to be read.
    RETURNS (Dict[str, Any]): `dev` and `test` (Scores as a dict), `confidence` and `shares` on test (see
        `confidence_figures`, `share_figures`) and `words_per_s` of `nlp.pipe` on its running text; of a trial
        `dev` alone, the others are None.
    """
    nlp = spacy.load(model)
    dev = asdict(score_examples(predict(nlp, read_examples(nlp, corpus / "dev.spacy"), "dev")))
    if trial:
        return {"dev": dev, "test": None, "confidence": None, "shares": None, "words_per_s": None}
    test = read_examples(nlp, corpus / "test.spacy")
    timed = [example.reference for example in test[:TIMED_DOCS]]
    return {
        "dev": dev,
        "words_per_s": pipe_rate(nlp, timed),
        "confidence": confidence_figures(nlp, test),
        "shares": share_figures(nlp, test, timed),
        "test": asdict(score_examples(predict(nlp, read_examples(nlp, corpus / "test.spacy"), "test"))),
    }


def main(
    model: Path, corpus: Path, taken: Path, trial: Annotated[bool, typer.Option("--trial")] = False
) -> None:
    """Measure a pipeline and write the figures."""
    taken.write_text(json.dumps(measure(model, corpus, trial=trial)), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
