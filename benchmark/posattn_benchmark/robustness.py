"""How a pipeline fares on text unlike that of training: several sentences at once, and untokenised."""

from typing import Iterable, Sequence, Set, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from posattn_spacy.annotated import bare_copy

CharacterSpan = Tuple[int, int, str]


def joined_f(nlp: Language, references: Sequence[Doc], n_sents: int) -> float:
    """Score spans in documents of several consecutive sentences, on gold tokens.

    nlp (Language): The trained pipeline.
    references (Sequence[Doc]): Gold sentences in the order of their text.
    n_sents (int): How many of them make a document.
    RETURNS (float): Strict span F1, micro average.
    """
    groups = [references[i : i + n_sents] for i in range(0, len(references), n_sents)]
    gold = [Doc.from_docs(list(group)) for group in groups]
    return _character_f(gold, nlp.pipe(bare_copy(doc, nlp.vocab) for doc in gold))


def raw_text_f(nlp: Language, references: Sequence[Doc]) -> float:
    """Score spans in sentences that spaCy's own tokenizer has split, by their characters.

    nlp (Language): The trained pipeline.
    references (Sequence[Doc]): Gold sentences.
    RETURNS (float): Strict span F1, micro average.
    """
    return _character_f(references, nlp.pipe(doc.text for doc in references))


def _character_f(gold: Sequence[Doc], predicted: Iterable[Doc]) -> float:
    right = total = 0
    for reference, doc in zip(gold, predicted, strict=True):
        expected, found = _character_spans(reference), _character_spans(doc)
        right += len(expected & found)
        total += len(expected) + len(found)
    return 2 * right / max(total, 1)


def _character_spans(doc: Doc) -> Set[CharacterSpan]:
    return {(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents}
