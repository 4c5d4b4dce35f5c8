"""The rows of the table, and what they ask for."""

from importlib import import_module
from typing import Callable, Dict, NamedTuple

from .running import Outcome, Setting


class Row(NamedTuple):
    """A row of the table.

    what (str): What is tried, and what is to come of it.
    reach (int): How much of it.
    unit (str): What the reach counts.
    module (str): The module of this package that tries it.
    function (str): The function.
    """

    what: str
    reach: int
    unit: str
    module: str
    function: str

    def load(self) -> Callable[[Setting], Outcome]:
        """RETURNS (Callable[[Setting], Outcome]): The function that runs the row."""
        function: Callable[[Setting], Outcome] = getattr(
            import_module(f"stress.{self.module}"), self.function
        )
        return function


ROWS: Dict[str, Row] = {
    "long": Row(
        "One document without a full stop; one token of ten times as many characters; 1,000 documents with "
        "one of either; a hundred long documents: less than 2 GB above the loaded pipeline. 60,000 tokens "
        "take at most 3.3 times as long as 20,000",
        *(1_000_000, "tokens", "long", "long"),
    ),
    "random": Row(
        "Random documents: any Unicode, white space, no tokens or up to 10,000, entities and blocked tokens "
        "that are there before, sentences set by hand. No exception; `nlp.pipe` finds what `nlp` finds; "
        "legal entities; probabilities as by going through all tag sequences where there are few",
        *(100_000, "documents", "random_documents", "random_documents"),
    ),
    "renderings": Row(
        "The same sentences of dev in 12 renderings of white space, read by the shipped pipeline: the same "
        "entities, span F1 within 0.001",
        *(1_000, "sentences", "white_space", "renderings"),
    ),
    "threads": Row(
        "16 threads that share a pipeline, and 8 threads of a web service's pool; the shipped pipeline, and "
        "with a tenth of the calls 11 others: nothing fails, and each result is that of one thread, byte "
        "for byte",
        *(1_000, "calls of each thread", "threads", "threads"),
    ),
    "annotate": Row(
        "10 files are annotated, with processes and on a Ray cluster of three nodes in turn, while a worker, "
        "another or its node, and then the command itself are killed: the command, given again, makes what "
        "it makes undisturbed, byte for byte",
        *(100, "runs", "annotating", "kills"),
    ),
    "lattice": Row(
        "Random scores are decoded: no tag sequence is illegal",
        *(1_000_000, "decodes", "lattice", "lattice"),
    ),
    "kills": Row(
        "`kill -9` while encoding into a feature store and while training: no value is wrong, no text that "
        "was committed is lost, and training goes on",
        *(1_000, "kills", "on_store", "kills"),
    ),
    "failures": Row(
        "A feature store that fails (full disk, read-only folder, foreign or damaged store, newer format, "
        "lost file, two hosts): a message each, training goes on, nothing is half-written",
        *(7, "ways", "on_store", "failures"),
    ),
    "trainings": Row(
        "Trainings at once on one feature store: the weights of one alone, byte for byte",
        *(4, "trainings", "on_store", "trainings"),
    ),
    "corpora": Row(
        "Malformed corpora: each message names file, place and remedy, and the same corpus mended converts",
        *(60, "kinds", "kinds", "corpora"),
    ),
    "memory": Row(
        "Documents through `nlp.pipe`, and as many calls of a web service: after the first twentieth, the "
        "second half takes no more memory than the first, but for 20 MB",
        *(100_000, "documents", "memory", "memory"),
    ),
    "hostile": Row(
        "Folders of pipelines that are damaged, mixed up or hostile: a message each, no code is run",
        *(20, "kinds", "kinds", "pipelines"),
    ),
    "repeat": Row(
        "The same training with the same seed on a CPU: the same head, byte for byte",
        *(2, "trainings", "repeat", "repeat"),
    ),
}
