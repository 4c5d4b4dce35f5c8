"""`posattn-spacy.Corpus.v1`: spaCy's reader of .spacy files, which keeps what partial annotation says."""

from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Union

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Corpus, Example

from .partial import ANNOTATED_FOR, restrict


class PartialCorpus(Corpus):
    """Reads examples as `spacy.Corpus.v1` does; sentences keep the spans of their documents.

    path (Union[str, Path]): A .spacy file, or a folder of such files.
    annotated_for (Optional[Sequence[str]]): The labels for which documents were annotated that do not say so
        themselves; None for all.
    kwargs (Any): As of spaCy's `Corpus`.
    """

    def __init__(
        self, path: Union[str, Path], annotated_for: Optional[Sequence[str]] = None, **kwargs: Any
    ) -> None:
        super().__init__(path, **kwargs)
        self.annotated_for = annotated_for

    def read_docbin(self, vocab: Any, locs: Iterable[Union[str, Path]]) -> Iterator[Doc]:
        """YIELDS (Doc): The documents of some files that have tokens."""
        for doc in super().read_docbin(vocab, locs):
            if self.annotated_for is not None:
                restrict([doc], self.annotated_for)
            yield doc

    def make_examples(self, nlp: Language, reference_docs: Iterable[Doc]) -> Iterator[Example]:
        """YIELDS (Example): The documents in the pipeline's tokens; too long ones by their sentences."""
        for doc in reference_docs:
            if not self.max_length or len(doc) < self.max_length:
                yield self._make_example(nlp, doc, False)
            elif doc.has_annotation("SENT_START"):
                for sentence in sentences(doc):
                    if len(sentence) < self.max_length:
                        yield self._make_example(nlp, sentence, False)

    def make_examples_gold_preproc(self, nlp: Language, reference_docs: Iterable[Doc]) -> Iterator[Example]:
        """YIELDS (Example): The sentences of documents, in their own tokens."""
        for doc in reference_docs:
            for sentence in sentences(doc) if doc.has_annotation("SENT_START") else [doc]:
                yield self._make_example(nlp, sentence, True)


def sentences(doc: Doc) -> List[Doc]:
    """Cut a document at its sentences.

    doc (Doc): The document, with sentences marked.
    RETURNS (List[Doc]): A document of each. Spans that say what a stretch was annotated for are cut, too;
        others are kept where they are in one sentence.
    """
    groups = {key: list(group) for key, group in doc.spans.items() if len(group)}
    cut = [sentence.as_doc() for sentence in doc.sents]
    if groups:
        for sentence, own in zip(doc.sents, cut, strict=True):
            for key, spans in groups.items():
                own.spans[key] = list(_within(sentence, own, spans, cuts=key == ANNOTATED_FOR))
    return cut


def _within(sentence: Span, own: Doc, spans: Iterable[Span], cuts: bool) -> Iterator[Span]:
    """The spans of a document that lie in one of its sentences, of which `own` was made."""
    for span in spans:
        start, stop = max(span.start, sentence.start), min(span.end, sentence.end)
        if start < stop and (cuts or (start, stop) == (span.start, span.end)):
            yield Span(own, start - sentence.start, stop - sentence.start, label=span.label, span_id=span.id)


def create_reader_v1(
    path: Optional[Path],
    gold_preproc: bool,
    max_length: int = 0,
    limit: int = 0,
    augmenter: Optional[Callable] = None,
    annotated_for: Optional[List[str]] = None,
) -> PartialCorpus:
    """Make the reader for `[corpora]`.

    path (Optional[Path]): A .spacy file, or a folder of such files.
    gold_preproc (bool): Whether to keep the annotated tokens, and to cut documents at their sentences.
    max_length (int): Longest document in tokens; a longer one is cut at its sentences. 0 for any.
    limit (int): How many documents to read; 0 for all.
    augmenter (Optional[Callable]): Makes more examples of one.
    annotated_for (Optional[List[str]]): The labels for which documents were annotated that do not say so
        themselves; None for all.
    RETURNS (PartialCorpus): The reader.
    RAISES (ValueError): If there is no path.
    """
    if path is None:
        raise ValueError(
            "A corpus reader has no path: set paths.train and paths.dev in the config or on the command line."
        )
    return PartialCorpus(
        path,
        annotated_for,
        gold_preproc=gold_preproc,
        max_length=max_length,
        limit=limit,
        augmenter=augmenter,
    )
