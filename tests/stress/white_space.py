"""The same text in all renderings of white space, read by a trained pipeline."""

from itertools import islice
from typing import Any, Dict, Iterator, List, NamedTuple, Set, Tuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from renderings import RENDERINGS

from .running import Found, NotReady, Outcome, Setting

TOLERANCE = 0.001  # of span F1
Entities = Set[Tuple[int, int, str]]  # first word, last word, label


class Rendered(NamedTuple):
    """A sentence of a corpus.

    words (List[str]): Its words.
    gold (Entities): Its entities.
    """

    words: List[str]
    gold: Entities


def renderings(setting: Setting) -> Outcome:
    """Read sentences of dev in every rendering, and compare entities and span F1 with the plain text's."""
    if setting.pipeline is None or setting.dev is None or not setting.pipeline.is_dir():
        raise NotReady(
            f"There is no trained pipeline in {setting.pipeline}. Train one (`make all`), or name another "
            "with --pipeline, and with --dev documents that it was not trained on."
        )
    nlp = spacy.load(setting.pipeline)
    sentences = list(islice(read(nlp, DocBin().from_disk(setting.dev)), setting.reach))
    outcome = compare(setting, nlp, sentences)
    return outcome._replace(figures={"pipeline": setting.pipeline.name, **outcome.figures})


def compare(setting: Setting, nlp: Language, sentences: List[Rendered]) -> Outcome:
    """Read sentences in every rendering.

    setting (Setting): The setting.
    nlp (Language): The pipeline.
    sentences (List[Rendered]): The sentences.
    RETURNS (Outcome): Among its figures, how far the span F1 of any rendering is from that of plain text.
    """
    tally = setting.go_through(len(sentences), lambda i: read_all(nlp, sentences[i]))
    scores = {name: f1(tally.counts, name) for name in RENDERINGS}
    plain = scores[next(iter(RENDERINGS))]
    apart = max(abs(score - plain) for score in scores.values())
    figures = {
        "sentences": len(sentences),
        "renderings": len(RENDERINGS),
        "entities": int(tally.counts["gold"]),
        "with other entities": int(tally.counts["different"]),
        "span F1 of plain text": round(plain, 4),
        "span F1 at most apart": round(apart, 5),
    }
    held = not figures["with other entities"] and apart <= TOLERANCE
    return Outcome(len(sentences), held, figures, "; ".join(tally.faults))


def read(nlp: Language, docs: DocBin) -> Iterator[Rendered]:
    """Read the sentences of a corpus, one by one.

    nlp (Language): Has the vocabulary.
    docs (DocBin): The documents.
    YIELDS (Rendered): Those with words.
    """
    for doc in docs.get_docs(nlp.vocab):
        for sent in doc.sents if doc.has_annotation("SENT_START") else [doc[:]]:
            one = sent.as_doc()
            yield Rendered([token.text for token in one], {(e.start, e.end - 1, e.label_) for e in one.ents})


def read_all(nlp: Language, sentence: Rendered) -> Found:
    """Read one sentence in every rendering."""
    texts = {name: render(sentence.words) for name, render in RENDERINGS.items()}
    found = {
        name: entities(doc, sentence.words) for name, doc in zip(texts, nlp.pipe(texts.values()), strict=True)
    }
    plain = found[next(iter(RENDERINGS))]
    counts: Dict[str, float] = {"gold": len(sentence.gold), "different": 0}
    faults = []
    for name, each in found.items():
        counts[f"right {name}"] = len(each & sentence.gold)
        counts[f"found {name}"] = len(each)
        if each != plain:
            counts["different"] += 1
            faults.append(f"{name}: {' '.join(sentence.words)}")
    return Found(counts, faults)


def entities(doc: Doc, words: List[str]) -> Entities:
    """RETURNS (Entities): A document's entities in words of the sentence; -1 where they cut a word."""
    starts: Dict[int, int] = {}
    ends: Dict[int, int] = {}
    at = 0
    for i, word in enumerate(words):
        at = doc.text.index(word, at)
        starts[at] = i
        at += len(word)
        ends[at] = i
    return {(starts.get(e.start_char, -1), ends.get(e.end_char, -1), e.label_) for e in doc.ents}


def f1(counts: Any, name: str) -> float:
    """RETURNS (float): Span F1 of a rendering."""
    return 2 * counts[f"right {name}"] / max(1, counts["gold"] + counts[f"found {name}"])
