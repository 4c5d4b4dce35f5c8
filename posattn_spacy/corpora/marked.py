"""Documents that are made of texts with marks."""

from dataclasses import replace
from typing import Callable, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, Span
from spacy.util import get_lang_class, registry
from spacy.vocab import Vocab
from tqdm import tqdm

from ..blanks import is_blank
from ..partial import ANNOTATED_FOR, INCORRECT, annotate_for
from .fields import set_fields
from .marks import Mark, MarkedText
from .misfits import BEYOND, CONTRADICTORY, EMPTY, OVERLAPPING, SHIFTED, SPLIT, UNLIKE, Misfits
from .sentences import CorpusError


class _Pipeline(NamedTuple):
    """What the tokenizers of languages read of a pipeline; to make a whole one takes seconds."""

    vocab: Vocab
    Defaults: type
    lang: str


def make_tokenizer(lang: str, vocab: Vocab) -> Callable[[str], Doc]:
    """Make the tokenizer of a language.

    lang (str): Its code.
    vocab (Vocab): The vocabulary of its documents.
    RETURNS (Callable[[str], Doc]): The tokenizer.
    RAISES (CorpusError): If it needs what is not installed.
    """

    own = get_lang_class(lang)
    try:
        make = registry.resolve({"tokenizer": own.default_config["nlp"]["tokenizer"]})["tokenizer"]
        tokenizer: Callable[[str], Doc] = make(_Pipeline(vocab, own.Defaults, lang))
    except ImportError as error:
        raise CorpusError(f"--lang {lang}: {error}") from error
    return tokenizer


def make_docs(texts: Iterable[MarkedText], lang: str, vocab: Vocab, misfits: Misfits, name: str) -> List[Doc]:
    """Make documents of marked texts, with sentences as the shipped pipelines find them, but that none
    begins with white space.

    Tokens of marks that fit no tokens have no annotation, unless misfits are to be repaired.

    texts (Iterable[MarkedText]): The texts; those without a character make no document.
    lang (str): Whose tokenizer parts texts that have no tokens of their own.
    vocab (Vocab): The vocabulary of the documents.
    misfits (Misfits): The account of the marks that do not fit.
    name (str): What the progress bar calls the texts.
    RETURNS (List[Doc]): The documents.
    """
    tokenizer, sentencizer = make_tokenizer(lang, vocab), Sentencizer()
    docs = []
    for marked in tqdm(list(texts), desc=name, disable=None):
        doc = _own_tokens(marked, vocab) or tokenizer(marked.text)
        _annotate(doc, marked, misfits)
        set_fields(doc, marked.fields)
        docs.append(_begun_with_words(sentencizer(doc)))
    return docs


def _begun_with_words(doc: Doc) -> Doc:
    """Let no sentence begin with white space: it belongs to the one before, as the end of a file does."""
    for token in doc[1:]:
        if token.is_sent_start and is_blank(token.text):
            token.is_sent_start = False
            if token.i + 1 < len(doc):
                doc[token.i + 1].is_sent_start = True
    return doc


def _own_tokens(marked: MarkedText, vocab: Vocab) -> Optional[Doc]:
    """A document of a text's own tokens; None if there are none, or they make another text."""
    if not marked.tokens:
        return None
    doc = Doc(vocab, words=marked.tokens, spaces=marked.spaces)
    return doc if doc.text.rstrip(" ") == marked.text.rstrip(" ") else None


def _annotate(doc: Doc, marked: MarkedText, misfits: Misfits) -> None:
    """Write what is marked in a text to its document."""
    found: List[Span] = []
    lost = _all_touched(doc, marked.missing)
    for mark in dict.fromkeys(marked.marks):
        span, touched = fit(doc, mark, marked.id, misfits)
        found += [span] if span is not None else []
        lost += [touched] if touched is not None else []
    # What is no entity is not widened: of a longer stretch that would be saying something else.
    exactly = replace(misfits, repaired=False)
    fitted = (fit(doc, mark, marked.id, exactly)[0] for mark in dict.fromkeys(marked.wrong))
    wrong = [span for span in fitted if span is not None]
    both = set(found) & set(wrong)
    for span in found:
        if span in both:
            misfits.add(CONTRADICTORY, marked.id, span.text, span.label_)
    kept = _apart([span for span in found if span not in both], marked.id, misfits)
    lost += [span for span in found if span not in kept and (span in both or not misfits.repaired)]
    taken = {token.i for span in kept for token in span}
    unknown = {token.i for span in lost for token in span} - taken
    missing = [doc[i : i + 1] for i in sorted(unknown)]
    doc.set_ents(kept, missing=missing, default="outside" if marked.complete else "missing")
    wrong = [span for span in wrong if span not in both]
    if wrong:
        doc.spans[INCORRECT] = wrong
    only = _all_touched(doc, marked.annotated_for)
    if only:
        doc.spans[ANNOTATED_FOR] = only
    if marked.only:
        annotate_for(doc, marked.only)


def fit(doc: Doc, mark: Mark, place: str, misfits: Misfits) -> Tuple[Optional[Span], Optional[Span]]:
    """Find the tokens of a mark.

    doc (Doc): The document.
    mark (Mark): The mark. White space at its edges is no part of it.
    place (str): What its text is called in messages.
    misfits (Misfits): The account of the marks that do not fit.
    RETURNS (Tuple[Optional[Span], Optional[Span]]): Its span, if it fits or is repaired; else the tokens that
        it touches, if there are any.
    """
    text, (start, end) = doc.text, _in_characters(mark, doc.text)
    shown = text[max(0, start) : max(0, end)] if mark.text is None else mark.text
    if mark.rest:
        misfits.add(SPLIT, place, shown, mark.label)
        stop = max(end, *(last for _, last in mark.rest))
        return None, _touched(doc, min(start, *(first for first, _ in mark.rest)), stop, mark.label)
    if not 0 <= start < len(text) or end > len(text):
        misfits.add(BEYOND, place, shown or f"characters {start} to {end}", mark.label)
        if not misfits.repaired or not 0 <= start < min(end, len(text)):
            return None, _touched(doc, start, end, mark.label)
        end = len(text)
    elif mark.text is not None and not _alike(text[start:end], mark.text):
        misfits.add(UNLIKE, place, f"{mark.text} (there stands: {text[start:end]})", mark.label)
        return None, _touched(doc, start, end, mark.label)
    while start < end and is_blank(text[start]):
        start += 1
    while start < end and is_blank(text[end - 1]):
        end -= 1
    if start >= end:
        misfits.add(EMPTY, place, f"characters {mark.start} to {mark.end}", mark.label)
        return None, None
    span = doc.char_span(start, end, label=mark.label)
    if span is not None:
        return span, None
    touched = _touched(doc, start, end, mark.label)
    misfits.add(SHIFTED, place, f"{text[start:end]} (of {touched})", mark.label)
    return (touched, None) if misfits.repaired else (None, touched)


def _in_characters(mark: Mark, text: str) -> Tuple[int, int]:
    """Count characters as Python does, if the tool counts those beyond U+FFFF twice, as JavaScript does."""
    place = mark.start, mark.end
    if mark.text is None or text.isascii() or _alike(text[slice(*place)], mark.text):
        return place
    units = text.encode("utf-16-le")
    start, end = (len(units[: 2 * max(0, each)].decode("utf-16-le", "ignore")) for each in place)
    return (start, end) if _alike(text[start:end], mark.text) else place


def _alike(one: str, other: str) -> bool:
    """Whether two texts have the same words; tools differ in what they do to white space."""
    return one.split() == other.split()


def _touched(doc: Doc, start: int, end: int, label: str) -> Optional[Span]:
    """All tokens that a stretch of characters touches."""
    start, end = max(0, start), min(end, len(doc.text))
    return doc.char_span(start, end, label=label, alignment_mode="expand") if start < end else None


def _all_touched(doc: Doc, marks: Iterable[Mark]) -> List[Span]:
    """The tokens that marks touch, of each that touches any."""
    touched = (_touched(doc, mark.start, mark.end, mark.label) for mark in marks)
    return [span for span in touched if span is not None]


def _apart(spans: Sequence[Span], place: str, misfits: Misfits) -> List[Span]:
    """Those spans that overlap no other; or, repaired, of those that overlap the longest."""
    kept: List[Span] = []  # what comes later is no longer
    crossed: List[Span] = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        against = kept if misfits.repaired else [*kept, *crossed]
        others = [one for one in against if one.start < span.end and span.start < one.end]
        if others:
            shown = f"{span.text} (within or across {others[0].text}, {others[0].label_})"
            misfits.add(OVERLAPPING, place, shown, span.label_)
            if not misfits.repaired:
                crossed += [span, *(one for one in others if one in kept)]
                kept = [one for one in kept if one not in others]
        else:
            kept.append(span)
    return kept
