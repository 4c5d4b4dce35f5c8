"""Finding the transformer that a model listens to, and making sure that it has run."""

from typing import Any, List, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from spacy_transformers.layers import TransformerListener
from thinc.api import Model


def find_listeners(model: Model) -> List[TransformerListener]:
    """RETURNS (List[TransformerListener]): The transformer listeners within a model, ours or stock ones."""
    return [node for node in model.walk() if isinstance(node, TransformerListener)]


def find_encoder(tok2vec: Model, nlp: Optional[Language]) -> Optional[Model]:
    """Find the transformer whose output reaches a model, within it or upstream.

    tok2vec (Model): The model.
    nlp (Optional[Language]): The pipeline it is part of.
    RETURNS (Optional[Model]): A frozen or stock transformer; None if the features come from elsewhere.
    RAISES (ValueError): If there is a listener, but no initialized transformer that it can listen to.
    """
    for node in tok2vec.walk():
        if node.name in ("frozen-transformer", "transformer"):
            return node
    listeners = find_listeners(tok2vec)
    if not listeners:
        return None
    # Components that are sourced and kept as they are stand disabled while the others are initialized.
    pipes: List[Any] = [pipe for _, pipe in nlp.components] if nlp is not None else []
    for pipe in pipes:
        if listeners[0] in getattr(pipe, "listeners", []) and pipe.model.has_dim("nO"):
            if listeners[0].attrs.get("frozen") and not pipe.model.attrs.get("frozen"):
                raise ValueError(
                    "'posattn-spacy.FrozenListener.v1' reads 'posattn-spacy.FrozenTransformer.v1', but the "
                    "transformer is another one; on a stock transformer use "
                    "'spacy-transformers.TransformerListener.v1'."
                )
            return pipe.model
    raise ValueError(
        "The model listens to a transformer, but none is initialized before it in the pipeline. Put a "
        "'transformer' component before it. A transformer that is listed in training.frozen_components is "
        "not initialized: take it off that list ('posattn-spacy.FrozenTransformer.v1' is frozen by itself), "
        "or `source` it from a trained pipeline."
    )


def features_of(doc: Doc) -> Optional[TransformerData]:
    """RETURNS (Optional[TransformerData]): What a transformer made of a document; None if none has run."""
    return doc._.trf_data if doc.has_extension("trf_data") else None


def require_features(docs: Sequence[Doc], listener: TransformerListener) -> None:
    """Insist that the transformer has run over documents before its listener reads them.

    docs (Sequence[Doc]): The documents about to be processed.
    listener (TransformerListener): The listener; a stock one would take zeros in silence.
    RAISES (ValueError): If a document with tokens carries no features.
    """
    for doc in docs:
        if len(doc) and features_of(doc) is None:
            name = "transformer" if listener.upstream_name == "*" else listener.upstream_name
            raise ValueError(
                f"No transformer output for the document {doc.text[:60]!r}: the component '{name}' has "
                "not run over it, or its output has been taken away. Put it before this component in the "
                "pipeline, with no doc_cleaner between them, and leave it enabled (nlp.select_pipes and "
                "nlp.pipe(disable=…) switch it off); when training on a frozen stock transformer, list "
                f"'{name}' under training.annotating_components."
            )
