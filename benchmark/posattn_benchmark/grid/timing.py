"""How long a cell takes, roughly."""

from posattn_spacy.schedule import own_passes

from .cells import Cell, read_config

START_SECONDS = 50  # imports, reading the corpus, writing and measuring the pipeline
# Training and evaluation on two cores; what is not listed trains like ours.
WORDS_PER_S = {"baselines/frozen": 3_000, "baselines/finetuned": 1_000, "baselines/cnn": 7_000}
OURS_PER_S = 12_000


def expected_seconds(cell: Cell, words: int) -> float:
    """Guess how long a cell takes on two cores.

    cell (Cell): The cell.
    words (int): Words of the whole training corpus.
    RETURNS (float): Seconds.
    """
    learned = words * cell.share / 100 * (cell.passes or own_passes(read_config(cell, {})))
    return START_SECONDS + learned / WORDS_PER_S.get(cell.config, OURS_PER_S)
