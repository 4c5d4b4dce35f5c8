"""`posattn-spacy.LexicalEmbed.v1`: the lexical channel, which sees how words are written (DESIGN.md 2.2)."""

from typing import Any, Callable, List, Sequence, Tuple, Union, cast

import numpy as np
from spacy.attrs import LENGTH, ORTH, intify_attr
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from thinc.api import HashEmbed, Model, chain, concatenate, list2ragged, ragged2list, with_array
from thinc.types import Floats2d, Ints2d

from .texts import BLANK, seen_words


def build_lexical_embed_v1(
    width: int, attrs: Sequence[Union[str, int]], rows: Sequence[int], word_dropout: float = 0.0
) -> Model[List[Doc], List[Floats2d]]:
    """Build an embedding of lexical attributes, side by side.

    It is `spacy.MultiHashEmbed.v2` without its last layer: the head mixes what comes side by side anyway.

    width (int): Width of the vector of each attribute.
    attrs (Sequence[Union[str, int]]): Token attributes, such as NORM, PREFIX, SUFFIX and SHAPE.
    rows (Sequence[int]): Rows of each attribute's table; each value is the sum of four of them.
    word_dropout (float): Share of the tokens whose first attribute is hidden in training, at least 0 and
        below 1, so that the head does not rely on knowing the word. `training.dropout` does not apply here.
    RETURNS (Model[List[Doc], List[Floats2d]]): One (tokens, width · attributes) array per document.
    RAISES (ValueError): If there are not as many tables as attributes, or the share is out of its range.
    """
    if len(attrs) != len(rows) or not attrs:
        raise ValueError(
            f"components.posattn_ner.model.lexical has {len(attrs)} attrs, but {len(rows)} rows: give each "
            "attribute the rows of its table."
        )
    if not 0 <= word_dropout < 1:
        raise ValueError(
            f"components.posattn_ner.model.lexical.word_dropout = {word_dropout}: it is the share of tokens "
            "to hide, at least 0 and below 1."
        )
    tables: List[Model[Any, Any]] = [
        HashEmbed(width, n_rows, column=i, seed=i) for i, n_rows in enumerate(rows)
    ]
    tables[0] = chain(tables[0], build_word_dropout(word_dropout))
    embed = tables[0] if len(tables) == 1 else concatenate(*tables)
    model: Model[List[Doc], List[Floats2d]] = chain(
        build_feature_extractor(list(attrs)), list2ragged(), with_array(embed), ragged2list()
    )
    model.attrs["per_token"] = True  # no row depends on other tokens
    return model


def build_feature_extractor(columns: List[Union[str, int]]) -> Model[List[Doc], List[Ints2d]]:
    """Build `spacy.FeatureExtractor.v1` for words as they are seen, less their invisible characters.

    columns (List[Union[str, int]]): Token attributes.
    RETURNS (Model[List[Doc], List[Ints2d]]): One (tokens, columns) uint64 array per document or span.
    """
    return Model("extract_features", _extract_features, attrs={"columns": columns})


def _extract_features(
    model: Model[List[Doc], List[Ints2d]], docs: Sequence[Union[Doc, Span]], is_train: bool
) -> Tuple[List[Ints2d], Callable[[List[Ints2d]], List[Doc]]]:
    columns = [cast(int, intify_attr(column)) for column in model.attrs["columns"]]
    arrays = [cast(Any, doc).to_array([*columns, ORTH]) for doc in docs]
    if arrays:
        arrays = _as_seen(arrays, columns, docs[0].vocab)
    features = [model.ops.asarray2i(cast(Any, array[:, :-1]), dtype="uint64") for array in arrays]
    return features, lambda d_features: []


def _as_seen(arrays: List[np.ndarray], columns: Sequence[int], vocab: Vocab) -> List[np.ndarray]:
    """Give words with invisible characters the lexical attributes of what is seen of them.

    arrays (List[np.ndarray]): (tokens, columns + 1) attributes, the last of them ORTH.
    columns (Sequence[int]): The attributes.
    vocab (Vocab): The vocabulary.
    RETURNS (List[np.ndarray]): The same for each document.
    """
    table = np.concatenate(arrays)
    orths = table[:, -1]
    seen = seen_words(orths, vocab.strings)
    changed = np.flatnonzero((seen != orths) & (seen != BLANK))
    if not len(changed):
        return arrays
    distinct, inverse = np.unique(seen[changed], return_inverse=True)
    words = Doc(vocab, words=[vocab.strings[orth] for orth in distinct.tolist()])
    for i, column in enumerate(columns):
        if column <= LENGTH:  # the others are the token's own, such as its tag
            table[changed, i] = words.to_array(column)[inverse.ravel()]
    return np.split(table, np.cumsum([len(array) for array in arrays[:-1]]))


def build_word_dropout(rate: float) -> Model[Floats2d, Floats2d]:
    """Build a layer that hides whole rows in training, and leaves the others as they are.

    rate (float): Share of rows that become zeros.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    """
    return Model("word_dropout", _hide_rows, attrs={"rate": rate})


def _hide_rows(
    model: Model[Floats2d, Floats2d], rows: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    rate = model.attrs["rate"]
    if not is_train or not rate:
        return rows, lambda d_rows: d_rows
    kept = model.ops.get_dropout_mask((len(rows), 1), rate) > 0
    return rows * kept, lambda d_rows: d_rows * kept
