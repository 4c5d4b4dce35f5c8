"""Random documents of any Unicode, with white space, entities, blocked tokens and sentences set by hand."""

import math
import random
import sys
import warnings
from functools import lru_cache
from itertools import chain, pairwise, product
from typing import Any, Dict, Iterator, List, NamedTuple, Set, Tuple

import numpy as np
from spacy.attrs import SENT_START
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import fix_random_seed

from pipelines import LEXICAL, TEXTS, frozen_pipeline, train
from posattn_spacy.blanks import is_blank
from posattn_spacy.tagging import TagScheme
from renderings import BLANKS
from sequences import is_legal
from served import NAME

from .running import Found, Outcome, Setting

DOCS = 50  # of an item
FAMILIES = ["bert", "roberta", "xlm-roberta"]
LONGEST = 10_000  # tokens
SHORT = 5  # words, up to which all sequences are gone through
CANDIDATES = 0.05
CLOSE = 1e-5  # of probabilities
LABELS = ["geo", "per", "rule"]
KNOWN = " ".join(TEXTS).split()
GLUE = ["\u200b", "\ufeff", "\u00ad", "\u202a", "\u200d"]
# Ranges of characters from which words are drawn: none of them has surrogates, which no text has.
RANGES = [
    (0x21, 0x7F),
    (0xA1, 0x250),
    (0x300, 0x700),  # combining marks, Greek, Cyrillic, Hebrew, Arabic
    (0x900, 0xE80),
    (0x1100, 0x2000),
    (0x2000, 0x2C00),  # punctuation, invisible characters, symbols
    (0x3000, 0xD800),
    (0xE000, 0x10000),  # private use, compatibility forms, noncharacters
    (0x10000, sys.maxunicode + 1),
]
Found3 = Tuple[int, int, str]  # first token, one past the last, label


class Given(NamedTuple):
    """What is known of a document before it is read.

    entities (Set[Found3]): Its entities.
    taken (List[bool]): Whether each token is in one of them, or blocked.
    """

    entities: Set[Found3]
    taken: List[bool]


def random_documents(setting: Setting) -> Outcome:
    """Read random documents, one by one and through the pipe, and look at all that is found."""
    made = [pipeline(setting, family) for family in FAMILIES]

    def read(item: int) -> Found:
        nlp = made[item % len(made)]
        with nlp.memory_zone():  # spaCy would keep every word that it has ever seen
            return read_item(nlp, item)

    tally = setting.go_through(math.ceil(setting.reach / DOCS), read)
    counts = tally.counts
    held = not any(counts[name] for name in ("exceptions", "differences", "faults"))
    return Outcome(int(counts["documents"]), held, {**counts}, "; ".join(tally.faults))


def pipeline(setting: Setting, family: str) -> Language:
    """Make a pipeline on a family of encoders; on RoBERTa, the head has the transformer within it."""
    fix_random_seed(0)
    nlp = frozen_pipeline(setting.encoder(family), lexical=LEXICAL, settings={"candidates": CANDIDATES})
    train(nlp, 30)
    nlp.get_pipe(NAME).cfg["temperature"] = 2.0
    nlp.max_length = 10**8  # characters; words may be very long
    if family == "roberta":
        nlp.replace_listeners("transformer", NAME, ["model.tok2vec"])
        nlp.remove_pipe("transformer")
    return nlp


def read_item(nlp: Language, item: int) -> Found:
    """Read some documents one by one, and together."""
    numbers = [item * DOCS + i for i in range(DOCS)]
    counts = {"documents": DOCS, "tokens": 0, "entities": 0, "enumerated": 0}
    counts.update({"exceptions": 0, "differences": 0, "faults": 0})
    faults: List[str] = []
    docs, again = ([random_doc(nlp, number) for number in numbers] for _ in range(2))
    given = [known_of(doc) for doc in docs]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            called = [nlp(doc) for doc in docs]
            piped = list(nlp.pipe(again, batch_size=random.Random(item).randint(1, DOCS)))
        except Exception as error:
            return Found({**counts, "exceptions": 1}, [f"item {item}: {type(error).__name__}: {error}"])
    for number, known, one, other in zip(numbers, given, called, piped, strict=True):
        counts["tokens"] += len(one)
        counts["entities"] += len(one.ents)
        if differ(one, other):
            counts["differences"] += 1
            faults.append(f"document {number}: pipe and call differ")
        wrong = list(faults_of(known, one))
        words = [token.i for token in one if not is_blank(token.text)] if len(one) <= 2 * SHORT else []
        if 0 < len(words) <= SHORT:
            counts["enumerated"] += 1
            wrong += wrong_probabilities(nlp, known, one, words)
        counts["faults"] += bool(wrong)
        faults += [f"document {number}: {fault}" for fault in wrong]
    return Found(counts, faults)


# What is read


def random_doc(nlp: Language, number: int) -> Doc:
    """RETURNS (Doc): A document, the same for the same number."""
    chance = random.Random(number)
    n = random_length(chance)
    pool = [random_word(chance) for _ in range(min(n, chance.randint(1, 60)))]
    words = chance.choices(pool, k=n) if n else []
    if chance.random() < 0.2:
        doc = nlp.make_doc("".join(chain(*((word, chance.choice(["", " ", *BLANKS])) for word in words))))
    else:
        spaces = [chance.random() < 0.8 for _ in words]
        doc = Doc(nlp.vocab, words=words, spaces=spaces)
    mark_sentences(doc, chance)
    set_entities(doc, chance)
    return doc


def random_length(chance: random.Random) -> int:
    """Draw how many tokens a document has: log-uniform up to a bound that is log-uniform itself.

    With one bound for all they would be a thousand tokens long on average, most of them in few documents.
    """
    bound = LONGEST ** chance.random()
    return 0 if chance.random() < 0.02 else int(bound ** chance.random())


def random_word(chance: random.Random) -> str:
    """RETURNS (str): A word that the encoder knows, one of any characters, white space, or one very long."""
    kind = chance.random()
    if kind < 0.45:
        return chance.choice(KNOWN)
    if kind < 0.55:
        return "".join(chance.choices(BLANKS, k=chance.choice([1, 1, 1, 2, 5])))
    if kind < 0.6:
        return "".join(chance.sample([chance.choice(KNOWN), *chance.choices(GLUE, k=2)], k=3))
    characters = RANGES if kind < 0.7 else [chance.choice(RANGES)]
    length = 5000 if chance.random() < 0.001 else chance.randint(1, 12)
    return "".join(chr(chance.randrange(*chance.choice(characters))) for _ in range(length))


def mark_sentences(doc: Doc, chance: random.Random) -> None:
    """Mark where sentences begin, in all of a document, in parts of it, or nowhere."""
    share, unknown = chance.choice([0.0, 0.02, 0.1, 0.5, 1.0]), chance.choice([0.0, 0.0, 0.5])
    if chance.random() < 0.5:
        known = np.array([0 if chance.random() < unknown else 1 for _ in doc])
        marks = np.array([1 if chance.random() < share else -1 for _ in doc])
        # Token by token, spaCy would go through the document each time.
        doc.from_array([SENT_START], (known * marks).astype(np.uint64)[:, None])


def set_entities(doc: Doc, chance: random.Random) -> None:
    """Set some entities, and block some tokens; blank ones, too."""
    if not len(doc) or chance.random() < 0.5:
        return
    bounds = sorted(chance.sample(range(len(doc) + 1), k=min(len(doc) + 1, 2 * chance.randint(1, 6))))
    spans = [Span(doc, start, stop, label=chance.choice(LABELS)) for start, stop in pairwise(bounds)]
    spans = [span for span in spans if len(span) <= 8]
    blocked, entities = spans[::2], spans[1::2]
    doc.set_ents(entities, blocked=blocked, default=chance.choice(["missing", "unmodified", "outside"]))


def known_of(doc: Doc) -> Given:
    """RETURNS (Given): What a document has before it is read."""
    # As spaCy has it, a blocked token begins an entity without a label.
    return Given(set(entities_of(doc)), [token.ent_iob_ in ("B", "I") for token in doc])


# What is found


def scored(doc: Doc, key: str) -> Dict[Found3, float]:
    """RETURNS (Dict[Found3, float]): The spans of a group and their probabilities."""
    group = doc.spans[key]
    spans = [(span.start, span.end, span.label_) for span in group]
    return dict(zip(spans, group.attrs["scores"].tolist(), strict=True))


def entities_of(doc: Doc) -> List[Found3]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def differ(one: Doc, other: Doc) -> bool:
    """RETURNS (bool): Whether two readings of a document found different entities or probabilities."""
    found, again = scored(one, NAME), scored(other, NAME)
    if entities_of(one) != entities_of(other) or found.keys() != again.keys():
        return True
    return any(abs(score - again[span]) > CLOSE for span, score in found.items())


def faults_of(given: Given, doc: Doc) -> Iterator[str]:
    """YIELDS (str): What is not as it should be in what was found."""
    entities = set(entities_of(doc))
    new = entities - given.entities
    bounds = sorted(entities)
    if any(before[1] > after[0] for before, after in pairwise(bounds)):
        yield "entities overlap"
    if not given.entities <= entities:
        yield "an entity that was there is gone"
    if any(is_blank(doc[start].text) or is_blank(doc[stop - 1].text) for start, stop, _ in new):
        yield "an entity has white space at its edge"
    if any(any(given.taken[start:stop]) for start, stop, _ in new):
        yield "an entity touches one that was there, or a blocked token"
    if set(scored(doc, NAME)) != new:
        yield "entities and scored spans differ"
    if any(not token.ent_iob for token in doc):
        yield "a token is without annotation"
    group = doc.spans[f"{NAME}_candidates"]
    if len(scored(doc, f"{NAME}_candidates")) != len(group):
        yield "a candidate is there twice"
    scores = [*scored(doc, NAME).values(), *scored(doc, f"{NAME}_candidates").values()]
    if not all(0 <= score <= 1 for score in scores):
        yield "a probability is not from 0 to 1"


def wrong_probabilities(nlp: Language, given: Given, doc: Doc, places: List[int]) -> Iterator[str]:
    """Compare with all legal tag sequences of a short document.

    nlp (Language): The pipeline.
    given (Given): What the document had before.
    doc (Doc): The document.
    places (List[int]): Its words.
    YIELDS (str): What is not what enumeration finds.
    """
    pipe = nlp.get_pipe(NAME)
    scheme = TagScheme(pipe.labels)
    scores = np.asarray(pipe.model.predict([doc]).tags, dtype=np.float64) / pipe.cfg["temperature"]
    tags = sequences(len(scheme), len(places))
    weights = scores[range(len(places)), tags].sum(1)
    taken = np.array(given.taken)
    for i, place in enumerate(places):
        if taken[place]:
            weights[tags[:, i] != 0] = -np.inf
        elif i and taken[places[i - 1] + 1 : place].any():
            weights[(tags[:, i] > 0) & (tags[:, i] % 2 == 0)] = -np.inf
    shares = np.exp(weights - weights.max())
    shares /= shares.sum()
    expected = {}
    for start, stop, label in product(range(len(places)), range(1, len(places) + 1), range(len(pipe.labels))):
        if start < stop:
            has = (tags[:, start] == 2 * label + 1) & (tags[:, start + 1 : stop] == 2 * label + 2).all(1)
            if stop < len(places):
                has &= tags[:, stop] != 2 * label + 2
            expected[places[start], places[stop - 1] + 1, pipe.labels[label]] = float(shares[has].sum())
    found, candidates = scored(doc, NAME), scored(doc, f"{NAME}_candidates")
    if any(abs(score - expected[span]) > CLOSE for span, score in [*found.items(), *candidates.items()]):
        yield "a probability is not what enumeration finds"
    if any(score > CANDIDATES + CLOSE and span not in candidates for span, score in expected.items()):
        yield "a candidate is missing"
    best = tags[weights.argmax()]
    if np.isclose(weights, weights.max(), rtol=0, atol=1e-6).sum() == 1 and set(found) != spans_of(
        best, places, pipe.labels
    ):
        yield "the entities are not those of the best sequence"


@lru_cache
def sequences(tags: int, n: int) -> Any:
    """RETURNS (np.ndarray): (sequences, n) all legal tag sequences."""
    scheme = TagScheme([str(i) for i in range(tags // 2)])
    return np.array([each for each in product(range(tags), repeat=n) if is_legal(each, scheme)])


def spans_of(tags: Any, places: List[int], labels: Tuple[str, ...]) -> Set[Found3]:
    """RETURNS (Set[Found3]): The entities of a legal sequence."""
    spans: List[Found3] = []
    for place, tag in zip(places, tags.tolist(), strict=True):
        if tag % 2:
            spans.append((place, place + 1, labels[tag // 2]))
        elif tag:
            spans[-1] = (spans[-1][0], place + 1, spans[-1][2])
    return set(spans)
