"""Test sentences that also stand in the training part."""

from typing import Iterable, List, Tuple

from spacy.tokens import Doc


def duplicate_mask(train_docs: Iterable[Doc], test_docs: Iterable[Doc]) -> List[bool]:
    """Find the test documents whose words also make up a training document.

    train_docs (Iterable[Doc]): The training part.
    test_docs (Iterable[Doc]): The test part.
    RETURNS (List[bool]): One value per test document; True if the same words stand in train.
    """
    seen = {_words(doc) for doc in train_docs}
    return [_words(doc) in seen for doc in test_docs]


def _words(doc: Doc) -> Tuple[str, ...]:
    return tuple(token.text for token in doc)
