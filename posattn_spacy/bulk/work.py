"""One part, from its rows to a whole file: what every worker does, whichever engine started it."""

from typing import Callable, Iterable, Iterator, List, Tuple

import spacy
import torch
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..writing import replacing
from .job import Counts, Job, Place, finish, rejected_line
from .outputs import Annotated, clash, open_output
from .parts import Part, PartError
from .rows import Row, read_rows

# Rows and characters that are annotated together; one longer text is so by itself.
ROWS, CHARACTERS = 1000, 1 << 20
Tell = Callable[[int, int], None]  # bytes read, and tokens annotated, since it was told last


class Worker:
    """Annotates parts with a pipeline that is loaded once.

    job (Job): What is asked for.
    RAISES (PartError): If the pipeline can't be loaded.
    """

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job.threads)
        self.job = job
        try:
            if job.gpu_id >= 0:
                spacy.require_gpu(job.gpu_id)
            self.nlp = spacy.load(job.model)
        except (ImportError, OSError, ValueError) as error:
            raise PartError(f"{job.model} can't be loaded as a pipeline: {error}") from error
        self.nlp.max_length = max(self.nlp.max_length, job.max_chars)

    def annotate(self, part: Part, tell: Tell) -> Counts:
        """Annotate a part; the file has its name when it is whole.

        part (Part): The part.
        tell (Callable[[int, int], None]): Is told how far it is.
        RETURNS (Counts): What came of it.
        RAISES (PartError, OSError): If it can't be read or written as a whole.
        """
        job, place = self.job, Place.of(self.job, part)
        counts, position = Counts(), 0
        with replacing(place.output) as output, replacing(place.rejected) as rejected:
            with (
                rejected.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as refused,
                open_output(part, output, job.entities_field, lambda: self._rows(part)) as write,
            ):
                for rows in _together(self._rows(part)):
                    with self.nlp.memory_zone():  # spaCy would keep every word that it has ever seen
                        found, problems = self._annotated(rows)
                        if found:
                            write(found)
                        own = _counts(found, len(problems))
                    for row, reason in problems:
                        refused.write(f"{rejected_line(part, row.number, reason)}\n")
                    counts = counts.plus(own)
                    tell(rows[-1].position - position, own.words)
                    position = rows[-1].position
            finish(job, part, counts)
        if not counts.rejected:
            place.rejected.unlink()
        return counts

    def _rows(self, part: Part) -> Iterator[Row]:
        return read_rows(part, self.job.text_field, self.job.max_chars, Vocab())

    def _annotated(self, rows: List[Row]) -> Tuple[Annotated, List[Tuple[Row, str]]]:
        """Rows with what is found in them, and those that can't be annotated, with the reason."""
        field = self.job.entities_field
        problems = {row.number: row.problem or clash(row, field) for row in rows}
        good = [row for row in rows if not problems[row.number]]
        docs = self._docs(good)
        found = []
        for row, doc in zip(good, docs, strict=True):
            if isinstance(doc, Doc):
                found.append((row, doc))
            else:
                problems[row.number] = f"it can't be annotated: {doc}"
        return found, [(row, problems[row.number]) for row in rows if problems[row.number]]

    def _docs(self, rows: List[Row]) -> List[Doc | Exception]:
        """Documents of rows, or why there is none."""
        try:
            return list(self.nlp.pipe(self._text(row) for row in rows))
        except Exception as error:  # of any component
            if len(rows) == 1:
                return [error]
        return [doc for row in rows for doc in self._docs([row])]

    def _text(self, row: Row) -> str | Doc:
        if isinstance(row.text, str):
            return row.text
        return Doc(self.nlp.vocab).from_bytes(row.text.to_bytes())  # it has a vocabulary of its own


def _together(rows: Iterable[Row]) -> Iterator[List[Row]]:
    """Rows that are annotated together; they are cut the same way whoever works on them."""
    batch: List[Row] = []
    characters = 0
    for row in rows:
        if batch and (len(batch) == ROWS or characters + row.size > CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(row)
        characters += row.size
    if batch:
        yield batch


def _counts(found: Annotated, rejected: int) -> Counts:
    docs = [doc for _, doc in found]
    return Counts(len(docs), sum(map(len, docs)), sum(len(doc.ents) for doc in docs), rejected)
