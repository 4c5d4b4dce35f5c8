"""HTML that shows sentences, by itself or within a page."""

import json
import re
from importlib.resources import files
from typing import Any, Optional, Sequence
from uuid import uuid4

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import is_in_jupyter

from ..annotated import bare_copy
from ..calibration import posattn_pipes
from .sentences import ShownSentence, doc_sentence, examined_sentences

# What ends a script or a line of one, and halves of characters, which can't be written.
UNSAFE = re.compile("[<\u2028\u2029\ud800-\udfff]")


def visualize(
    doc: Doc,
    *,
    gold: Optional[Doc] = None,
    nlp: Optional[Language] = None,
    jupyter: Optional[bool] = None,
) -> Optional[str]:
    """Show the entities of a document and how sure they are; in a notebook right there.

    doc (Doc): The document.
    gold (Optional[Doc]): The same with its gold entities, to show beside them.
    nlp (Optional[Language]): The pipeline, to show gate and attention, too; it is run again for that.
    jupyter (Optional[bool]): Whether to show it in a notebook; found out if not given.
    RETURNS (Optional[str]): HTML; None if it was shown.
    RAISES (ValueError): If the pipeline has no `posattn_ner`.
    """
    html = sentences_html([_sentence(doc, gold, nlp)])
    if not (is_in_jupyter() if jupyter is None else jupyter):
        return html
    from IPython.display import HTML, display  # only a notebook has it

    display(HTML(html))
    return None


def _sentence(doc: Doc, gold: Optional[Doc], nlp: Optional[Language]) -> ShownSentence:
    if nlp is None or not len(doc):
        return doc_sentence(doc, gold)
    pipes = posattn_pipes(nlp)
    if not pipes:
        raise ValueError("The pipeline has no 'posattn_ner', whose gate and attention could be shown.")
    bare = bare_copy(doc, nlp.vocab)
    (sentence,) = examined_sentences(nlp, pipes[0][1], [Example(bare, bare if gold is None else gold)])
    return sentence._replace(entities=doc_sentence(doc).entities, gold=doc_sentence(doc, gold).gold)


def sentences_html(sentences: Sequence[ShownSentence]) -> str:
    """Make HTML that shows sentences, with nothing outside of itself.

    sentences (Sequence[ShownSentence]): The sentences.
    RETURNS (str): HTML, for a page or a notebook.
    """
    place = f"posattn-{uuid4().hex}"
    data = embedded_json([sentence.as_json() for sentence in sentences])
    return (
        f'<div class="posattn-view" id="{place}"></div>\n<style>\n{asset("viewer.css")}</style>\n'
        f'<script>\n(() => {{\n{asset("viewer.js")}\nshowSentences(document.getElementById("{place}"), '
        f"{data});\n}})();\n</script>"
    )


def embedded_json(data: Any) -> str:
    """RETURNS (str): JSON that may stand inside a script element, whatever text is in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def asset(name: str) -> str:
    """RETURNS (str): A file that comes with this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
