"""One part, from its rows to a whole file: what every worker does, whichever engine started it."""

from typing import Callable, Iterable, Iterator, List, Tuple

import spacy
import torch
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..writing import replacing
from .job import Counts, Job, Place, Source, finish, model_digest, rejected_line
from .outputs import UNWRITABLE, Annotated, Names, Write, clash, open_output
from .parts import BrokenWorkerError, Part, PartError
from .rows import Row, read_rows

# Rows and bytes of rows that are annotated together; one with more is so by itself.
ROWS, BYTES = 1000, 1 << 21
MANY = 100  # rows, on which a pipeline fails for no fault of theirs
# Errors that say nothing of a row.
OF_THE_MACHINE = (torch.OutOfMemoryError, getattr(torch, "AcceleratorError", torch.OutOfMemoryError))
Tell = Callable[[int, int], None]  # bytes read, and tokens annotated, since it was told last


def tell_nobody(read: int, words: int) -> None:
    """For who does not want to know how far a part is."""


class Worker:
    """Annotates parts with a pipeline that is loaded once.

    job (Job): What is asked for.
    RAISES (PartError): If the pipeline can't be loaded.
    """

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job.threads)
        self.job = job
        if model_digest(job.model) != job.digest:
            raise PartError(f"{job.model} is another pipeline here than where the command was given.")
        try:
            if job.gpu_id >= 0:
                spacy.require_gpu(job.gpu_id)
            self.nlp = spacy.load(job.model)
        except Exception as error:  # of any of its components
            raise PartError(f"{job.model} can't be loaded as a pipeline: {error}") from error
        if not any("doc.ents" in self.nlp.get_pipe_meta(name).assigns for name in self.nlp.pipe_names):
            raise PartError(f"{job.model} has no component that finds entities.")
        self.nlp.max_length = max(self.nlp.max_length, job.max_chars)

    def annotate(self, part: Part, tell: Tell) -> Counts:
        """Annotate a part; the file has its name when it is whole.

        part (Part): The part.
        tell (Callable[[int, int], None]): Is told how far it is.
        RETURNS (Counts): What came of it.
        RAISES (PartError, OSError): If it can't be read or written as a whole.
        """
        job, place, source = self.job, Place.of(self.job, part), Source.of(part)
        names, counts, position = Names(job.text_field, job.entities_field), Counts(), 0
        n_failed = 0
        with replacing(place.output) as output, replacing(place.rejected) as rejected:
            with (
                rejected.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as refused,
                open_output(part, output, names, lambda: self._rows(part)) as write,
            ):
                for rows in _together(self._rows(part)):
                    with self.nlp.memory_zone():  # spaCy would keep every word that it has ever seen
                        found, problems, n = self._annotated(rows)
                        n_failed += n
                        written, unwritable = _written(found, write)
                        problems = sorted([*problems, *unwritable], key=lambda each: each[0].number)
                        own = _counts(written, len(problems))
                    for row, reason in problems:
                        refused.write(f"{rejected_line(part, row.number, reason)}\n")
                    counts = counts.plus(own)
                    tell(rows[-1].position - position, own.words)
                    position = rows[-1].position
            if n_failed > 1 and not counts.rows:
                raise PartError(f"The pipeline fails on each of {n_failed:,} rows: {problems[-1][1]}")
            finish(job, part, source, output, counts)
        if not counts.rejected:
            place.rejected.unlink(missing_ok=True)
        return counts

    def _rows(self, part: Part) -> Iterator[Row]:
        return read_rows(part, self.job.text_field, self.job.max_chars, Vocab())

    def _annotated(self, rows: List[Row]) -> Tuple[Annotated, List[Tuple[Row, str]], int]:
        """Rows with what is found in them; those that can't be annotated, with the reason; and on how many of
        these the pipeline failed.
        """
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
        n_failed = sum(isinstance(doc, Exception) for doc in docs)
        return found, [(row, problems[row.number]) for row in rows if problems[row.number]], n_failed

    def _docs(self, rows: List[Row]) -> List[Doc | Exception]:
        """Documents of rows, or why there is none.

        RAISES (PartError): If there is none of any of many rows: then it is not the rows' fault.
        RAISES (BrokenWorkerError): If the GPU has failed.
        """
        try:
            return list(self.nlp.pipe(self._text(row) for row in rows))
        except (MemoryError, OSError, *OF_THE_MACHINE):
            raise
        except Exception as error:  # of any component
            if self.job.gpu_id >= 0 and isinstance(error, RuntimeError):  # then nothing works any more
                raise BrokenWorkerError(f"The GPU has failed: {error}") from error
            if len(rows) == 1:
                return [error]
        docs = [doc for row in rows for doc in self._docs([row])]
        failed = [doc for doc in docs if isinstance(doc, Exception)]
        if len(failed) == len(docs) >= MANY:
            raise PartError(f"The pipeline fails on all of {len(docs):,} rows: {failed[0]}") from failed[0]
        return docs

    def _text(self, row: Row) -> str | Doc:
        if isinstance(row.text, str):
            return row.text
        return Doc(self.nlp.vocab).from_bytes(row.text.to_bytes())  # it has a vocabulary of its own


def _together(rows: Iterable[Row]) -> Iterator[List[Row]]:
    """Rows that are annotated together; they are cut the same way whoever works on them."""
    batch: List[Row] = []
    held = 0
    for row in rows:
        if batch and (len(batch) == ROWS or held + row.weight > BYTES):
            yield batch
            batch, held = [], 0
        batch.append(row)
        held += row.weight
    if batch:
        yield batch


def _written(found: Annotated, write: Write) -> Tuple[Annotated, List[Tuple[Row, str]]]:
    """Write rows: those that were, and those that can't be, with the reason."""
    if not found:
        return [], []
    try:
        write(found)
        return found, []
    except UNWRITABLE as error:
        if len(found) == 1:
            return [], [(found[0][0], f"it can't be written: {error}")]
    each = [_written([one], write) for one in found]
    return [one for own, _ in each for one in own], [problem for _, own in each for problem in own]


def _counts(found: Annotated, rejected: int) -> Counts:
    docs = [doc for _, doc in found]
    return Counts(len(docs), sum(map(len, docs)), sum(len(doc.ents) for doc in docs), rejected)
