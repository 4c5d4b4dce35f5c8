"""`posattn-spacy.LexicalEmbed.v1`: the lexical channel, which sees how words are written (DESIGN.md 2.2)."""

from typing import Any, Callable, List, Sequence, Tuple, Union

from spacy.ml.featureextractor import FeatureExtractor
from spacy.tokens import Doc
from thinc.api import HashEmbed, Model, chain, concatenate, list2ragged, ragged2list, with_array
from thinc.types import Floats2d


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
        FeatureExtractor(list(attrs)), list2ragged(), with_array(embed), ragged2list()
    )
    return model


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
