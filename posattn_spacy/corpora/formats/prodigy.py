"""JSONL of Prodigy: texts with tokens, spans and an answer."""

from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Sequence

from ..fields import kept_fields
from ..marks import MarkedText, MarkedTexts
from ..records import Record
from .annotators import of_annotator, settled
from .offsets import mark_of, relations, text_of

if TYPE_CHECKING:
    from ..exported import Exported

_BINARY = ("ner", "spans")  # views in which one suggestion is accepted or rejected


def is_prodigy(value: Dict[str, Any]) -> bool:
    """RETURNS (bool): Whether a record is one of Prodigy's."""
    return "text" in value and any(key in value for key in ("answer", "_input_hash", "_view_id"))


def read_prodigy(records: Sequence[Record], path: Path, annotator: Optional[str] = None) -> MarkedTexts:
    """Read what Prodigy exports (`db-out`).

    What was accepted or rejected as a single suggestion says nothing of the rest of its text. All such
    answers to one text are put together.

    records (Sequence[Record]): The records.
    path (Path): Where they were read.
    annotator (Optional[str]): Whose answers to take, where several have answered.
    RETURNS (MarkedTexts): The texts.
    RAISES (CorpusError): If a record lacks anything, or several annotators differ and none is chosen.
    """
    answers = Counter(_answer(record, path) for record in records)
    used = [record for record in records if _answer(record, path) != "ignore"]
    own, notes = of_annotator(used, path, annotator, of=_annotator, task=lambda each: text_of(each, path))
    manual = [record for record in own if not _is_binary(record)]
    accepted = [record for record in manual if _answer(record, path) == "accept"]
    chosen, more = settled(
        [(_annotator(record), _marked(record, path)) for record in accepted],
        path,
        of=lambda each: each[0],
        task=lambda each: each[1].text,
        content=lambda each: tuple(sorted(set(each[1].marks))),
    )
    texts = [marked for _, marked in chosen]
    texts += _binary_texts([record for record in own if _is_binary(record)], path)
    left_out = len(manual) - len(accepted)
    if left_out:
        more.append(
            f"Records that were rejected as a whole, which were left out: {left_out:,} of {len(records):,}. "
            "What is right in them is not known."
        )
    if answers["ignore"]:
        more.append(f"Records that were ignored, and left out: {answers['ignore']:,} of {len(records):,}.")
    return MarkedTexts(texts, [*notes, *more, *relations(own)])


def _answer(record: Record, path: Path) -> str:
    answer = record.value.get("answer", "accept")
    if answer not in ("accept", "reject", "ignore"):
        raise record.refuse(
            path, f"the answer is {answer!r:.40}", 'Prodigy\'s are "accept", "reject" and "ignore"'
        )
    return str(answer)


def _is_binary(record: Record) -> bool:
    return record.value.get("_view_id") in _BINARY


def _annotator(record: Record) -> str:
    return str(record.value.get("_annotator_id") or record.value.get("_session_id") or "")


def _marked(record: Record, path: Path) -> MarkedText:
    text = text_of(record, path)
    spans = record.value.get("spans") or []
    tokens = record.value.get("tokens") or []
    return MarkedText(
        record.place,
        text,
        [mark_of(span, record, path) for span in spans],
        tokens=[str(token.get("text")) for token in tokens] or None,
        spaces=[_has_space(token, text) for token in tokens] or None,
        fields=kept_fields(record.value),
    )


def _has_space(token: Dict[str, Any], text: str) -> bool:
    end = token.get("end")
    if "ws" in token or not isinstance(end, int):
        return bool(token.get("ws", True))
    return text[end : end + 1] == " "


def _binary_texts(records: Sequence[Record], path: Path) -> Iterator[MarkedText]:
    """Put the answers to suggestions together, text by text."""
    by_text = sorted(records, key=lambda record: text_of(record, path))
    for _, group in groupby(by_text, key=lambda record: text_of(record, path)):
        parts = list(group)
        read = [_marked(record, path) for record in parts]
        right = [_answer(record, path) == "accept" for record in parts]
        yield replace(
            read[0],
            marks=[
                mark for each, is_right in zip(read, right, strict=True) if is_right for mark in each.marks
            ],
            wrong=[
                mark
                for each, is_right in zip(read, right, strict=True)
                if not is_right
                for mark in each.marks
            ],
            complete=False,
        )


def write_prodigy(texts: Iterable["Exported"]) -> Iterator[Dict[str, Any]]:
    """Write texts as Prodigy's `ner.manual` takes them.

    texts (Iterable[Exported]): The texts.
    YIELDS (Dict[str, Any]): A record for each line.
    """
    for text in texts:
        tokens: List[Dict[str, Any]] = [
            {"text": token.text, "start": token.start, "end": token.start + len(token.text), "id": i}
            | {"ws": token.has_space}
            for i, token in enumerate(text.tokens)
        ]
        first = {token["start"]: token["id"] for token in tokens}
        last = {token["end"]: token["id"] for token in tokens}
        spans = []
        for start, end, label, score in text.entities:
            span = {"start": start, "end": end, "label": label}
            span |= {"token_start": first[start], "token_end": last[end]}
            spans.append(span | ({} if score is None else {"score": score}))
        answer = {} if text.predicted or text.is_bare else {"answer": "accept"}
        meta = text.fields.get("meta", {})
        said = meta if isinstance(meta, dict) else {"meta": meta}
        note = {"meta": {**said, "note": text.note}} if text.note else {}
        yield {**text.fields, "text": text.text, "tokens": tokens, "spans": spans, **answer, **note}
