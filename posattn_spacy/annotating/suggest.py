"""Which texts to annotate next: those of which a pipeline knows least, unlike each other (DESIGN.md 2.12)."""

import heapq
from math import exp
from typing import (
    Callable,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

import numpy as np
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training.batchers import minibatch_by_words
from torch import Tensor

from ..annotated import text_key
from ..calibration import only_pipe
from ..component import PositionalNER
from ..corpora.exported import NOTE
from ..corpora.plain import PlainText, annotated
from ..looks import AT_ONCE, Seen
from ..model import first_torch_head

LARGEST = float(np.finfo(np.float16).max)
POOL = 10  # times as much as is asked for is kept, to choose from
Text = Union[str, Doc]
Size = Callable[["Suggestion"], int]


class Suggestion(NamedTuple):
    """A text to be annotated.

    number (int): Where it stands among the texts, from 0.
    text (str): The text.
    words (int): Its words.
    entropy (float): Of the distribution over its tag sequences, in nats.
    log_best (float): Log-probability of the best of them.
    place (np.ndarray): (width,) float16, mean features of its words, weighted by how doubtful each one is.
    """

    number: int
    text: str
    words: int
    entropy: float
    log_best: float
    place: np.ndarray

    @property
    def score(self) -> float:
        """RETURNS (float): Entropy per word, by which texts are ranked."""
        return self.entropy / self.words


def suggest(
    nlp: Language,
    texts: Iterable[Text],
    *,
    n_texts: Optional[int] = None,
    n_words: Optional[int] = None,
    known: Iterable[str] = (),
) -> List[Suggestion]:
    """Choose the texts from which a pipeline has most to learn.

    They are ranked by their entropy per word. Of the first, many times as much as is asked for, those are
    taken one after another that have the highest score, which counts the less the more a text's doubtful
    words are like those of one that was taken before. The texts stream through; beyond what is bounded by
    what is asked for, a number is kept of each, to know it again.

    nlp (Language): The pipeline, with one `posattn_ner`.
    texts (Iterable[Union[str, Doc]]): The texts, or documents of their tokens.
    n_texts (Optional[int]): How many to choose; or else:
    n_words (Optional[int]): How many words they are to have together.
    known (Iterable[str]): Texts that are annotated already.
    RETURNS (List[Suggestion]): The texts, the first one first.
    RAISES (ValueError): If the pipeline has not one `posattn_ner`, or neither or both numbers are given.
    """
    if (n_texts is None) == (n_words is None) or (n_texts or n_words or 0) < 1:
        raise ValueError("Say how many texts to choose, or how many words, and at least 1.")
    asked, size = (n_texts, _one) if n_texts is not None else (n_words or 0, _words)
    pool = _first(doubtful(nlp, texts, set(known)), POOL * asked, size)
    return spread(pool, asked, size)


def with_entities(
    nlp: Language, suggestions: Sequence[Suggestion], texts: Mapping[int, PlainText]
) -> Iterator[Doc]:
    """Make documents of chosen texts, with the entities that a pipeline finds and a note of its doubt.

    nlp (Language): The pipeline.
    suggestions (Sequence[Suggestion]): The texts.
    texts (Mapping[int, PlainText]): The same by their places, as their file has them.
    YIELDS (Doc): The documents, in order.
    """
    docs = annotated(nlp, (texts[each.number] for each in suggestions))
    for doc, each in zip(docs, suggestions, strict=True):
        doc.user_data[NOTE] = f"entropy per word {each.score:.3f}, p of the best {exp(each.log_best):.3f}"
        yield doc


def doubtful(nlp: Language, texts: Iterable[Text], known: Set[str]) -> Iterator[Suggestion]:
    """Find out what a pipeline does not know of texts.

    nlp (Language): The pipeline, with one `posattn_ner`.
    texts (Iterable[Union[str, Doc]]): The texts, or documents of their tokens; a second one that is the same
        is left out, as are those without a word.
    known (Set[str]): Texts that are left out, too.
    YIELDS (Suggestion): The texts.
    """
    _, pipe = only_pipe(nlp)
    for batch in upstream_batches(nlp, texts, known):
        yield from _of_docs(pipe, batch)


def upstream_batches(
    nlp: Language, texts: Iterable[Text], known: Set[str]
) -> Iterator[List[Tuple[Doc, int]]]:
    """Run a pipeline on texts up to its `posattn_ner`; arguments as of `doubtful`.

    YIELDS (List[Tuple[Doc, int]]): Documents that may be looked at together, each with its place among the
        texts.
    """
    name, _ = only_pipe(nlp)
    with nlp.select_pipes(disable=nlp.pipe_names[nlp.pipe_names.index(name) :]):
        numbered = nlp.pipe(_new(texts, known), as_tuples=True)
        yield from minibatch_by_words(numbered, size=AT_ONCE, tolerance=0.0, get_length=_length)


def _new(texts: Iterable[Text], known: Set[str]) -> Iterator[Tuple[Text, int]]:
    seen = {hash(text_key(text)) for text in known}
    for number, text in enumerate(texts):
        key = hash(text_key(text if isinstance(text, str) else text.text))
        if key not in seen:
            seen.add(key)
            yield text, number


def _length(numbered: Tuple[Doc, int]) -> int:
    return len(numbered[0])


def _of_docs(pipe: PositionalNER, numbered: Sequence[Tuple[Doc, int]]) -> Iterator[Suggestion]:
    """What is not known of documents, each as a whole."""
    numbers = {id(doc): number for doc, number in numbered}
    first = first_torch_head(pipe.model)
    width = None if first is None else first.config.input_width
    sums = {id(doc): _Sums() for doc, _ in numbered}
    for docs, owners, seen in pipe.see([doc for doc, _ in numbered]):
        if seen.settled.any():
            _add(seen, [sums[id(docs[owner])] for owner in owners.tolist()], width)
    for doc, _ in numbered:
        own = sums[id(doc)]
        if own.words:
            place = (own.place / max(own.doubt, 1e-12)).clip(-LARGEST, LARGEST).astype(np.float16)
            yield Suggestion(numbers[id(doc)], doc.text, own.words, own.entropy, own.log_best, place)


class _Sums:
    """What is not known of a document, over its texts so far."""

    def __init__(self) -> None:
        self.words = 0
        self.entropy = self.log_best = self.doubt = 0.0
        self.place: np.ndarray = np.zeros(1, dtype=np.float32)


def _add(seen: Seen, sums: Sequence[_Sums], width: Optional[int]) -> None:
    """Add what is seen of the texts that are settled to what is not known of their documents."""
    unknown, lengths = seen.lattice.unknown(seen.tags), seen.part.lengths
    texts = np.repeat(np.arange(len(lengths)), lengths)
    doubt = np.bincount(texts, weights=unknown.doubt.numpy(), minlength=len(lengths))
    places = _weighted(seen, unknown.doubt, torch.from_numpy(texts), len(lengths), width)
    for i in np.flatnonzero(seen.settled).tolist():
        own = sums[i]
        own.words += int(lengths[i])
        own.entropy += float(unknown.entropy[i])
        own.log_best += float(unknown.log_best[i])
        own.doubt += float(doubt[i])
        own.place = own.place + places[i]


def _weighted(seen: Seen, weights: Tensor, texts: Tensor, n_texts: int, width: Optional[int]) -> np.ndarray:
    """(texts, width) float32, sum over each text's words of weight times features, of the first `width`."""
    found: Optional[Tensor] = None
    for start in range(0, len(texts), AT_ONCE):
        rows = seen.read(start, min(start + AT_ONCE, len(texts)))[:, :width].float().cpu()
        stop = start + len(rows)
        if found is None:
            found = torch.zeros(n_texts, rows.shape[1])
        found.index_add_(0, texts[start:stop], rows * weights[start:stop, None].float())
    assert found is not None
    return found.numpy()


def _first(found: Iterable[Suggestion], most: int, size: Size) -> List[Suggestion]:
    """Keep those with the highest scores, of so much together at most, but one at least."""
    heap: List[Tuple[float, int, Suggestion]] = []
    total = 0
    for each in found:
        heapq.heappush(heap, (each.score, -each.number, each))
        total += size(each)
        while len(heap) > 1 and total - size(heap[0][2]) >= most:
            total -= size(heapq.heappop(heap)[2])
    return [each for *_, each in sorted(heap, key=lambda entry: entry[:2], reverse=True)]


def spread(pool: Sequence[Suggestion], asked: int, size: Size) -> List[Suggestion]:
    """Choose texts with high scores whose doubtful words are unlike each other.

    pool (Sequence[Suggestion]): What there is to choose from.
    asked (int): How much to choose.
    size (Callable[[Suggestion], int]): As how much each one counts.
    RETURNS (List[Suggestion]): Those that were chosen, the first one first; one at least, if there is one.
    """
    if not pool:
        return []
    places = np.stack([each.place for each in pool]).astype(np.float32)
    places -= places.mean(axis=0)
    places /= np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-12)
    scores, sizes = np.array([each.score for each in pool]), np.array(list(map(size, pool)))
    nearest = np.zeros(len(pool))  # cosine to the nearest that was chosen
    left, open_ = asked, np.ones(len(pool), dtype=bool)
    chosen: List[int] = []
    while True:
        fits = open_ & (sizes <= left)
        if not chosen and not fits.any():  # one at least
            fits = open_
        if left <= 0 or not fits.any():
            return [pool[i] for i in chosen]
        best = int(np.where(fits, scores * (1 - nearest), -np.inf).argmax())
        chosen.append(best)
        open_[best] = False
        left -= int(sizes[best])
        nearest = np.maximum(nearest, places @ places[best])


def _one(suggestion: Suggestion) -> int:
    return 1


def _words(suggestion: Suggestion) -> int:
    return suggestion.words
