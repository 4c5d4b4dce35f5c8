"""Findings of an audit in words, as records, and as a page."""

import html
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span

from ..corpora.exported import NOTE
from ..corpora.fields import other_fields
from ..view.fragment import sentences_html
from ..view.sentences import Entity, ShownSentence
from .audit import Finding
from .findings import Place

CONTEXT = 8  # words on either side
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#eee}}"
)


def called(number: int, doc: Doc) -> str:
    """Say which document is meant.

    number (int): Its index.
    doc (Doc): The document.
    RETURNS (str): Its number, counted from 1, with the id that its tool or file knows it by, if it has one.
    """
    fields = other_fields(doc)
    return f"{number + 1} (id {fields['id']})" if "id" in fields else str(number + 1)


def in_words(finding: Finding, doc: Doc, labels: Sequence[str]) -> Tuple[str, str]:
    """Say what is annotated, and what is suggested.

    finding (Finding): The finding.
    doc (Doc): Its document.
    labels (Sequence[str]): The labels.
    RETURNS (Tuple[str, str]): Both; "–" where there is nothing.
    """
    return _said(finding.given, doc, labels), _said(finding.suggested, doc, labels)


def _said(place: Optional[Place], doc: Doc, labels: Sequence[str]) -> str:
    if place is None:
        return "–"
    start, stop, label = place
    return f"{doc[start:stop].text} ({labels[label]})"


def records(
    findings: Sequence[Finding], docs: Sequence[Doc], labels: Sequence[str]
) -> Iterator[Dict[str, Any]]:
    """Make a record of each finding, for a .jsonl file.

    findings (Sequence[Finding]): The findings.
    docs (Sequence[Doc]): The documents.
    labels (Sequence[str]): The labels.
    YIELDS (Dict[str, Any]): Document, kind, both entities in characters, their probabilities, and how
        often their words are annotated so elsewhere.
    """
    for finding in findings:
        doc = docs[finding.doc]
        places = {name: _record(place, doc, labels) for name, place in _places(finding).items()}
        yield {
            "document": finding.doc + 1,
            **{key: value for key, value in other_fields(doc).items() if key == "id"},
            "kind": finding.kind,
            **places,
            "p_given": finding.p_given,
            "p_suggested": finding.p_suggested,
            "elsewhere_given": finding.elsewhere_given,
            "elsewhere_suggested": finding.elsewhere_suggested,
            "text": doc.text,
        }


def _places(finding: Finding) -> Dict[str, Optional[Place]]:
    return {"given": finding.given, "suggested": finding.suggested}


def _record(place: Optional[Place], doc: Doc, labels: Sequence[str]) -> Optional[Dict[str, Any]]:
    if place is None:
        return None
    span = doc[place[0] : place[1]]
    return {"start": span.start_char, "end": span.end_char, "label": labels[place[2]], "text": span.text}


def doubtful_docs(findings: Sequence[Finding], docs: Sequence[Doc], labels: Sequence[str]) -> List[Doc]:
    """Take the documents with findings, to be annotated once more, with a note of what to look at.

    findings (Sequence[Finding]): The findings.
    docs (Sequence[Doc]): The documents.
    labels (Sequence[str]): The labels.
    RETURNS (List[Doc]): Copies, those with the most probable findings first.
    """
    notes: Dict[int, List[str]] = {}
    for finding in findings:
        given, suggested = in_words(finding, docs[finding.doc], labels)
        said = f"{finding.kind}: {given} → {suggested} ({finding.p_given:.2f} → {finding.p_suggested:.2f})"
        notes.setdefault(finding.doc, []).append(said)
    found = []
    for i, own in notes.items():
        doc = docs[i].copy()
        doc.user_data[NOTE] = "; ".join(own)
        found.append(doc)
    return found


def page(findings: Sequence[Finding], docs: Sequence[Doc], labels: Sequence[str]) -> str:
    """Make a page that lets one go through findings: what is annotated beside what is suggested.

    findings (Sequence[Finding]): The findings.
    docs (Sequence[Doc]): The documents.
    labels (Sequence[str]): The labels.
    RETURNS (str): HTML, with nothing outside of itself.
    """
    shown = sentences_html([_sentence(finding, docs[finding.doc], labels) for finding in findings])
    title = html.escape(f"{len(findings):,} annotations to look at")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>What is annotated stands as gold "
        f"beside what is suggested. What is most probably wrong comes first.</p>\n{shown}\n</body>\n</html>\n"
    )


def _sentence(finding: Finding, doc: Doc, labels: Sequence[str]) -> ShownSentence:
    """The words around a finding, with the annotation as it is and as it is suggested."""
    place = finding.given or finding.suggested
    assert place is not None
    first, last = max(0, place[0] - CONTEXT), min(len(doc), place[1] + CONTEXT)
    given = [
        Entity(ent.start - first, ent.end - first, ent.label_, None) for ent in _within(doc, first, last)
    ]
    kept = [ent for ent in given if not _touches(ent, finding, first)]
    if finding.suggested is not None:
        start, stop, label = finding.suggested
        if first <= start and stop <= last:
            kept.append(Entity(start - first, stop - first, labels[label], finding.p_suggested))
    tokens = [token.text for token in doc[first:last]]
    return ShownSentence(tokens, sorted(kept), given)


def _within(doc: Doc, first: int, last: int) -> List[Span]:
    return [ent for ent in doc.ents if first <= ent.start and ent.end <= last]


def _touches(entity: Entity, finding: Finding, first: int) -> bool:
    """Whether an annotated entity is the one in question, or in the way of what is suggested."""
    places = [place for place in (finding.given, finding.suggested) if place is not None]
    return any(entity.start < place[1] - first and place[0] - first < entity.stop for place in places)
