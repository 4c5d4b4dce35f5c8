"""`posattn-spacy.LexicalEmbed.v1`: the lexical channel, which sees how words are written (DESIGN.md 2.2)."""

from typing import Any, List, Sequence, Union

from spacy.ml.featureextractor import FeatureExtractor
from spacy.tokens import Doc
from thinc.api import HashEmbed, Model, chain, concatenate, list2ragged, ragged2list, with_array
from thinc.types import Floats2d


def build_lexical_embed_v1(
    width: int, attrs: Sequence[Union[str, int]], rows: Sequence[int]
) -> Model[List[Doc], List[Floats2d]]:
    """Build an embedding of lexical attributes, side by side.

    It is `spacy.MultiHashEmbed.v2` without its last layer: the head mixes what comes side by side anyway.

    width (int): Width of the vector of each attribute.
    attrs (Sequence[Union[str, int]]): Token attributes, such as NORM, PREFIX, SUFFIX and SHAPE.
    rows (Sequence[int]): Rows of each attribute's table; each value is the sum of four of them.
    RETURNS (Model[List[Doc], List[Floats2d]]): One (tokens, width · attributes) array per document.
    RAISES (ValueError): If there are not as many tables as attributes.
    """
    if len(attrs) != len(rows):
        raise ValueError(
            f"components.posattn_ner.model.lexical has {len(attrs)} attrs, but {len(rows)} rows: give each "
            "attribute the rows of its table."
        )
    tables: List[Model[Any, Any]] = [
        HashEmbed(width, n_rows, column=i, seed=i, dropout=0.0) for i, n_rows in enumerate(rows)
    ]
    embed = tables[0] if len(tables) == 1 else concatenate(*tables)
    model: Model[List[Doc], List[Floats2d]] = chain(
        FeatureExtractor(list(attrs)), list2ragged(), with_array(embed), ragged2list()
    )
    return model
