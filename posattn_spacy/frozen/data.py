"""What a frozen transformer makes of a document, in spacy-transformers' data classes."""

from functools import cached_property
from typing import Any, Dict, Optional, Union, cast

import numpy as np
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from thinc.types import Floats2d, Ragged
from transformers.file_utils import ModelOutput

from ..rows import Rows, all_rows, of_tokens, of_words
from ..texts import Words, read_words
from .pending import PendingBatch, PendingRows

NO_PIECES = WordpieceBatch.empty()


class FrozenData(TransformerData):
    """What a frozen transformer makes of a document that has tokens: one row for each of its words.

    To readers of spacy-transformers' data it looks like one word piece per token, white space included, which
    has a row of zeros. What they ask for is made when they do.

    rows (Union[Rows, PendingRows]): (words, width), of the type in which a feature store keeps them if there
        is one.
    words (Words): The words, as they were when the transformer ran.
    n_tokens (int): Number of tokens that the document had then.
    """

    def __init__(self, rows: Union[Rows, PendingRows], words: Words, n_tokens: int) -> None:
        self._rows = rows
        self.words = words
        self.n_tokens = n_tokens

    @property
    def rows(self) -> Rows:
        """RETURNS (Rows): (words, width); they are made now, if they have not been."""
        if isinstance(self._rows, PendingRows):
            self._rows = self._rows.made()
        return self._rows

    @property
    def pending(self) -> Optional[PendingBatch]:
        """RETURNS (Optional[PendingBatch]): The batch that its rows will be made with, unless they are."""
        return self._rows.batch if isinstance(self._rows, PendingRows) else None

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_rows": self.rows}  # a copy has rows of its own

    @cached_property
    def wordpieces(self) -> WordpieceBatch:  # type: ignore[override]
        """RETURNS (WordpieceBatch): Nothing: there are no pieces to speak of."""
        return NO_PIECES

    @cached_property
    def model_output(self) -> ModelOutput:  # type: ignore[override]
        """RETURNS (ModelOutput): The rows in float32, as `last_hidden_state` (1, tokens, width)."""
        return ModelOutput(last_hidden_state=self.token_rows()[None])

    @cached_property
    def align(self) -> Ragged:  # type: ignore[override]
        """RETURNS (Ragged): The identity."""
        return Ragged(np.arange(self.n_tokens, dtype="i"), np.ones(self.n_tokens, dtype="i"))  # type: ignore[arg-type]

    def token_rows(self) -> Any:
        """RETURNS (Floats2d): (tokens, width) float32, all of them made; zeros for white space."""
        return of_tokens(in_float32(all_rows(self.rows)), self.words.places, self.n_tokens)


def in_float32(rows: Any) -> Any:
    """RETURNS (Any): An array in float32, itself if it is that already."""
    return rows.astype(np.float32, copy=False)


def word_rows(doc: Doc, data: TransformerData) -> Rows:
    """Read one row per word out of a frozen transformer's output, without copying.

    doc (Doc): The document.
    data (TransformerData): What the transformer made of it, possibly read from a file since.
    RETURNS (Rows): (words, width), of the type the transformer has them in.
    RAISES (ValueError): If they are not those of the document's tokens.
    """
    if isinstance(data, FrozenData) and data.n_tokens == len(doc):
        return data.rows
    return of_words(_checked(doc, data), read_words([doc])[0].places)


def token_rows(doc: Doc, data: TransformerData) -> Floats2d:
    """Read one row per token out of a frozen transformer's output.

    doc (Doc): The document.
    data (TransformerData): What the transformer made of it, possibly read from a file since.
    RETURNS (Floats2d): (tokens, width) float32, zeros for white space.
    RAISES (ValueError): If they are not those of the document's tokens.
    """
    if isinstance(data, FrozenData) and data.n_tokens == len(doc):
        return data.token_rows()
    return in_float32(_checked(doc, data))


def _checked(doc: Doc, data: TransformerData) -> Any:
    """The rows of a document, if there is one for each token."""
    if isinstance(data, FrozenData):
        shape: Any = (1, data.n_tokens, "…")
    else:
        rows = cast(Any, data.model_output)["last_hidden_state"]
        shape = tuple(rows.shape)
        if shape[:2] == (1, len(doc)):
            return rows[0]
    raise ValueError(
        f"'posattn-spacy.FrozenListener.v1' expects one row for each of the {len(doc)} tokens of "
        f"{doc.text[:60]!r}, but the transformer gave an array of shape {shape}. "
        "It reads 'posattn-spacy.FrozenTransformer.v1'; on a stock transformer use "
        "'spacy-transformers.TransformerListener.v1'. A component that changes the tokens, such as "
        "merge_entities, must not stand between the two."
    )
