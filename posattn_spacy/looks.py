"""Two looks at each text: a first one at what is known before the encoder has run, and a second one, at all
that the encoder makes of it, where the first is not sure (DESIGN.md 2.10).
"""

from itertools import pairwise
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy as np
import torch
from spacy.strings import StringStore
from spacy.tokens import Doc
from thinc.api import PyTorchShim, torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor

from .decoding import Choice, Prediction, Taken
from .frozen.blocks import block_bounds
from .frozen.data import FrozenData
from .frozen.listener import listened_data, listened_rows
from .frozen.pending import PendingBatch, TextEncoder
from .head import BatchRows, HeadInputs
from .lattice import Lattice
from .model import Head, Parts, Tagger, head_inputs, written_rows
from .rows import LONG, Rows
from .tagging import Spans
from .texts import Text, Words

AT_ONCE = 8192  # words that get a first look together
TOGETHER = 16384  # words, with which texts that wait for a second look get it


class Looks(NamedTuple):
    """How texts are looked at.

    threshold (float): Sureness (see `Lattice.sureness`) from which on a text gets no second look.
    first (float): By what the scores of the first look are divided.
    second (float): The same of the second look.
    overwrite (bool): Whether entities that are there already give way.
    choice (Choice): Which spans are found.
    strings (StringStore): Where the words are known.
    read_anyway (bool): Whether others will ask for what the encoder makes of all texts.
    """

    threshold: float
    first: float
    second: float
    overwrite: bool
    choice: Choice
    strings: StringStore
    read_anyway: bool


class TextRows(NamedTuple):
    """What there is to read of some texts, one after another.

    words (np.ndarray): (words,) int64 which words they are, counted over all documents.
    orths (np.ndarray): (words,) uint64 their hashes.
    lengths (np.ndarray): (texts,) int64 words of each text.
    written (Optional[Tensor]): (words, lexical width) what the lexical channel says.
    features (Optional[Tensor]): (words, width); None if they are made by `encoder` when they are asked for.
    encoder (Optional[TextEncoder]): It makes them.
    strings (StringStore): Where the words are known.
    """

    words: np.ndarray
    orths: np.ndarray
    lengths: np.ndarray
    written: Optional[Tensor]
    features: Optional[Tensor]
    encoder: Optional[TextEncoder]
    strings: StringStore

    def is_like(self, other: "TextRows") -> bool:
        """RETURNS (bool): Whether the features of both come from the same place."""
        if self.encoder is None or other.encoder is None:
            return self.encoder is other.encoder
        return self.encoder.model is other.encoder.model

    def select(self, texts: np.ndarray) -> "TextRows":
        """RETURNS (TextRows): Those of some of the texts, of which `texts`, (texts,) bool, holds."""
        rows = np.repeat(texts, self.lengths)
        return self._replace(
            words=self.words[rows],
            orths=self.orths[rows],
            lengths=self.lengths[texts],
            written=None if self.written is None else self.written[torch.from_numpy(rows)],
            features=None if self.features is None else self.features[torch.from_numpy(rows)],
        )

    def texts(self) -> List[Text]:
        """RETURNS (List[Text]): The texts, as the encoder reads them."""
        return list(map(Text.whole, np.split(self.orths, self.lengths.cumsum()[:-1])))

    def inputs(self, features: Any) -> HeadInputs:
        """RETURNS (HeadInputs): What a head reads of them, `features` (words, width) among it."""
        written: Optional[List[Rows]] = None
        if self.written is not None:
            written = [cast(Floats2d, torch2xp(self.written))]
        return HeadInputs([features], written, [Words(self.words, self.orths, self.lengths)])


class Seen(NamedTuple):
    """What one of the looks says of some texts.

    part (TextRows): The texts.
    read (Callable[[int, int], Tensor]): Gives what the encoder has made of them for this look, (words, width)
        from one word up to another.
    lattice (Lattice): The distribution over their tags.
    tags (Tensor): (words,) the best tags.
    settled (np.ndarray): (texts,) bool, whether this is what counts for each of them.
    twice (bool): Whether this is the second look.
    """

    part: TextRows
    read: Callable[[int, int], Tensor]
    lattice: Lattice
    tags: Tensor
    settled: np.ndarray
    twice: bool

    def owners(self, words: Sequence[Words]) -> np.ndarray:
        """RETURNS (np.ndarray): (texts,) int64 of which document each is; `words` are those of all."""
        ends = np.cumsum([len(own.places) for own in words])
        starts = self.part.lengths.cumsum() - self.part.lengths
        return np.searchsorted(ends, self.part.words[starts], side="right")


def can_look_twice(words: Words) -> bool:
    """RETURNS (bool): Whether all texts of a document are such as go through the encoder as a whole."""
    return not len(words.lengths) or int(words.lengths.max()) <= LONG


def look_twice(model: Tagger, docs: List[Doc], words: Sequence[Words], looks: Looks) -> List[Prediction]:
    """Find the spans of documents, and run the encoder for those texts alone that take a second look.

    model (Model[List[Doc], TokenScores]): The tagger, with a first look.
    docs (List[Doc]): Documents that can be looked at so.
    words (Sequence[Words]): Their words.
    looks (Looks): How.
    RETURNS (List[Prediction]): What was found, per document.
    """
    found = [Prediction.none()]  # all there is, if there are no words
    found += [_prediction(seen, looks.choice) for seen in all_seen(model, docs, words, looks)]
    return _deal_out(found, words)


def all_seen(model: Tagger, docs: List[Doc], words: Sequence[Words], looks: Looks) -> Iterator[Seen]:
    """Look at the texts of documents, twice where once is not enough; arguments as of `look_twice`.

    YIELDS (Seen): What is seen, in which each text is settled once.
    """
    layers = Parts.of(model)
    taken = Taken.of(docs, (own.places for own in words), looks.overwrite)
    waiting: List[TextRows] = []
    for part in _parts(layers, docs, words, looks):
        if waiting and not part.is_like(waiting[0]):
            yield _second_look(layers.head, waiting, looks, taken)
            waiting = []
        seen = _first_look(cast(Head, layers.first), part, looks, taken)
        yield seen
        if not seen.settled.all():
            waiting.append(part.select(~seen.settled))
        if sum(len(each.words) for each in waiting) >= TOGETHER:
            yield _second_look(layers.head, waiting, looks, taken)
            waiting = []
    if waiting:
        yield _second_look(layers.head, waiting, looks, taken)


def seen_by_encoder(
    model: Tagger, docs: List[Doc], words: Sequence[Words], temperature: float, overwrite: bool
) -> Seen:
    """Look at the texts of documents with all that the encoder makes of them.

    model (Model[List[Doc], TokenScores]): The tagger.
    docs (List[Doc]): Documents, of which one has words at least.
    words (Sequence[Words]): Their words.
    temperature (float): By what the scores are divided.
    overwrite (bool): Whether entities that are there already give way.
    RETURNS (Seen): What is seen; all texts are settled.
    """
    inputs, head = head_inputs(model, docs), Parts.of(model).head
    scores = xp2torch(head.predict(inputs).tags).cpu() / temperature
    taken = Taken.of(docs, (own.places for own in words), overwrite)
    if taken is not None:
        taken.forbid(scores)
    lengths = np.concatenate([own.lengths for own in words])
    lattice = Lattice(scores, torch.from_numpy(lengths))
    orths = np.concatenate([own.orths for own in words])
    part = TextRows(np.arange(len(orths)), orths, lengths, None, None, None, docs[0].vocab.strings)
    every = np.ones(len(lengths), dtype=bool)
    return Seen(part, _reader(head, inputs.features), lattice, lattice.best(), every, twice=True)


def _parts(layers: Parts, docs: List[Doc], words: Sequence[Words], looks: Looks) -> Iterator[TextRows]:
    """The documents' texts, as many as are looked at together."""
    ends = np.cumsum([0, *(len(own.places) for own in words)])
    data = listened_data(layers.tok2vec, docs)
    for start, stop in _batches([len(own.places) for own in words]):
        own, batch = list(words[start:stop]), docs[start:stop]
        texts = np.concatenate([each.lengths for each in own])
        if not len(texts):
            continue
        orths = np.concatenate([each.orths for each in own])
        written = written_rows(layers.lexical, batch, own)
        pending = None if looks.read_anyway else _pending(data[start:stop], own)
        read_features = None
        if pending is None:
            rows = listened_rows(layers.tok2vec, batch, data[start:stop])
            read_features = _reader(layers.head, rows)
        read_written = None if written is None else _reader(layers.head, written)
        text_ends = np.append(0, texts.cumsum())
        for low, high in pairwise(block_bounds(texts, AT_ONCE).tolist()):
            first, last = np.searchsorted(text_ends, [low, high])
            yield TextRows(
                ends[start] + np.arange(low, high),
                orths[low:high],
                texts[first:last],
                None if read_written is None else read_written(low, high),
                None if read_features is None else read_features(low, high),
                None if pending is None else pending.encoder,
                looks.strings,
            )


def _batches(lengths: Sequence[int]) -> Iterator[Tuple[int, int]]:
    """Documents that follow each other, of at most `AT_ONCE` words together, or one with more."""
    start = words = 0
    for i, length in enumerate(lengths):
        if i > start and words + length > AT_ONCE:
            yield start, i
            start, words = i, 0
        words += length
    yield start, len(lengths)


def _reader(layer: Head, rows: List[Any]) -> Callable[[int, int], Tensor]:
    return BatchRows(layer, rows, cast(PyTorchShim, layer.shims[0]).device, False).read


def _pending(data: Sequence[Any], words: Sequence[Words]) -> Optional[PendingBatch]:
    """What makes the features of documents, if none is made yet and the texts are what they were."""
    batches: List[PendingBatch] = []
    for item, own in zip(data, words, strict=True):
        if not len(own.places):
            continue
        pending = item.pending if isinstance(item, FrozenData) else None
        if pending is None or not np.array_equal(item.words.lengths, own.lengths):
            return None
        batches.append(pending)
    alike = {batch.encoder.model for batch in batches}
    return batches[0] if len(alike) == 1 else None


def _first_look(head: Head, part: TextRows, looks: Looks, taken: Optional[Taken]) -> Seen:
    """What is seen without the encoder; those texts are settled of which it is sure."""
    if part.encoder is None:
        features = torch2xp(cast(Tensor, part.features)[:, : head.get_dim("nI")])
    else:
        features = part.encoder.first(part.texts(), part.strings)
    lattice = _lattice(head, part, features, looks.first, taken)
    tags = lattice.best()
    sure = lattice.sureness(tags).numpy() >= looks.threshold
    return Seen(part, _slices(features), lattice, tags, sure, twice=False)


def _second_look(head: Head, waiting: Sequence[TextRows], looks: Looks, taken: Optional[Taken]) -> Seen:
    """What is seen in texts with all that the encoder makes of them."""
    part = _joined(waiting)
    if part.encoder is None:
        features = torch2xp(cast(Tensor, part.features))
    else:
        features = part.encoder.whole(part.texts(), part.strings)
    lattice = _lattice(head, part, features, looks.second, taken)
    every = np.ones(len(part.lengths), dtype=bool)
    return Seen(part, _slices(features), lattice, lattice.best(), every, twice=True)


def _slices(features: Any) -> Callable[[int, int], Tensor]:
    return lambda start, stop: xp2torch(features[start:stop])


def _lattice(
    head: Head, part: TextRows, features: Any, temperature: float, taken: Optional[Taken]
) -> Lattice:
    """The distribution over the tags of texts that a head gives."""
    scores = xp2torch(head.predict(part.inputs(features)).tags).cpu() / temperature
    if taken is not None:
        taken.at(part.words).forbid(scores)
    return Lattice(scores, torch.from_numpy(part.lengths))


def _prediction(seen: Seen, choice: Choice) -> Prediction:
    """What is found in the texts that are settled."""
    part, lattice, tags = seen.part, seen.lattice, seen.tags
    starts = part.lengths.cumsum() - part.lengths
    if seen.twice:
        twice = Spans.unlabelled(part.words[starts], part.lengths)
        return _found(lattice, tags, part.words, choice)._replace(twice=twice)
    bearing = seen.settled
    if choice.candidates is None:  # then nothing is to be known of texts without entities
        bearing = bearing & (np.add.reduceat((tags > 0).numpy(), starts) > 0)
    if not bearing.any():
        return Prediction.none()
    rows = np.repeat(bearing, part.lengths)
    lattice = lattice.select(torch.from_numpy(bearing))
    return _found(lattice, tags[torch.from_numpy(rows)], part.words[rows], choice)


def _found(lattice: Lattice, tags: Tensor, words: np.ndarray, choice: Choice) -> Prediction:
    """What a distribution says of words, whose best tags are known."""
    entities, candidates = choice.entities(lattice, tags), choice.all_candidates(lattice)
    return Prediction(entities.at(words), candidates.at(words), Spans.none())


def _joined(parts: Sequence[TextRows]) -> TextRows:
    """Texts of several parts, one after another."""
    if len(parts) == 1:
        return parts[0]
    words, orths, lengths = (np.concatenate([part[i] for part in parts]) for i in range(3))
    written, features = (
        None if parts[0][i] is None else torch.cat([cast(Tensor, part[i]) for part in parts]) for i in (3, 4)
    )
    return parts[0]._replace(words=words, orths=orths, lengths=lengths, written=written, features=features)


def _deal_out(found: Sequence[Prediction], words: Sequence[Words]) -> List[Prediction]:
    """Give each document what was found in its words, in tokens."""
    lengths, places = [len(own.places) for own in words], np.concatenate([own.places for own in words])
    fields = [Spans.joined(parts).deal_out(lengths, places) for parts in zip(*found, strict=True)]
    return list(map(Prediction, *fields))
