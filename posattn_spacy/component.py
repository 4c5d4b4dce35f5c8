"""The spaCy component `posattn_ner`: trainable named entity recognition with positional attention."""

import math
import warnings
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple, cast

import numpy as np
import torch
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from spacy_transformers.util import batch_by_length
from thinc.api import Config, Model, Optimizer, set_dropout_rate, torch2xp, xp2torch
from thinc.types import Floats2d

from . import forking  # noqa: F401  # forked workers would hang without it
from .frozen.encoder import pad_embedding
from .frozen.upstream import find_encoder, find_listeners, require_features
from .gold import gold_batch, survey_examples
from .losses import TaggingLoss, loss_and_gradient
from .model import TokenScores, is_initialized, set_pad_embedding
from .tagging import TagScheme, viterbi

default_model_config = """
[model]
@architectures = "posattn-spacy.PosAttnTagger.v1"

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""
DEFAULT_MODEL = Config().from_str(default_model_config)["model"]
INITIALIZE_SAMPLE = 10  # documents
PREDICT_TOKENS = 8192  # per padded batch


@Language.factory(
    "posattn_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "positional_weight": 0.25,
        "overwrite": False,
        "scorer": {"@scorers": "posattn-spacy.ner_scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
        "flat_f": 0.0,
        "flat_p": None,
        "flat_r": None,
        "flat_per_type": None,
    },
)
def make_posattn_ner(
    nlp: Language,
    name: str,
    model: Model[List[Doc], TokenScores],
    positional_weight: float,
    overwrite: bool,
    scorer: Optional[Callable],
) -> "PositionalNER":
    """Make a `posattn_ner` component.

    model (Model[List[Doc], TokenScores]): A `posattn-spacy.PosAttnTagger.v1`.
    positional_weight (float): Weight λ of the positional loss, at least 0.
    overwrite (bool): Whether entities that are already there give way to predicted ones. By default they
        stay, as they do in spaCy's `ner`.
    scorer (Optional[Callable]): The scoring method.
    """
    return PositionalNER(
        nlp.vocab,
        model,
        name,
        positional_weight=positional_weight,
        overwrite=overwrite,
        scorer=scorer,
    )


class PositionalNER(TrainablePipe):
    """Pipeline component that recognises named entities with positional attention (DESIGN.md 2)."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], TokenScores],
        name: str = "posattn_ner",
        *,
        positional_weight: float = 0.25,
        overwrite: bool = False,
        scorer: Optional[Callable] = None,
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], TokenScores]): The model.
        name (str): The component's name in the pipeline.
        positional_weight (float): Weight λ of the positional loss, at least 0.
        overwrite (bool): Whether entities that are already there give way to predicted ones.
        scorer (Optional[Callable]): The scoring method.
        RAISES (ValueError): If the weight is negative.
        """
        if positional_weight < 0:
            raise ValueError(
                f"components.{name}.positional_weight = {positional_weight}: a loss can't have a "
                "negative weight; 0 leaves the positional loss out."
            )
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: Dict[str, Any] = {
            "labels": [],
            "overwrite": overwrite,
            "positional_weight": positional_weight,
        }
        self._warned_labels: Set[str] = set()

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The entity types the component can predict."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """RETURNS (List[str]): What `spacy init labels` writes, and `initialize` takes."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add an entity type, before the component is initialized.

        label (str): The entity type.
        RETURNS (int): 0 if it was there already, else 1.
        RAISES (ValueError): If the label is no string, or the model's output has its final size.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.labels:
            return 0
        self._allow_extra_label()
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1

    def _allow_extra_label(self) -> None:
        """Refuse labels once the model has its outputs: one for O and two for each label."""
        if self.model.has_dim("nO"):
            raise ValueError(Errors.E922.format(name=self.name, nO=self.model.get_dim("nO")))

    def predict(self, docs: Iterable[Doc]) -> List[np.ndarray]:
        """Find the best legal tag sequence of every document, without modifying it.

        docs (Iterable[Doc]): The documents.
        RETURNS (List[np.ndarray]): Per document (tokens,) tags of `TagScheme(labels)`.
        RAISES (ValueError): If the component has not been initialized, or a transformer it listens to has
            not run.
        """
        docs = list(docs)
        if not is_initialized(self.model):
            raise ValueError(Errors.E109.format(name=self.name))
        for listener in find_listeners(self.model):
            require_features(docs, listener)
        tags = [np.zeros(0, dtype=np.int64) for _ in docs]
        for batch in batch_by_length(docs, PREDICT_TOKENS):  # one long document would pad all others
            if any(len(docs[i]) for i in batch):
                for i, doc_tags in zip(batch, self._predict_batch([docs[i] for i in batch]), strict=True):
                    tags[i] = doc_tags
        return tags

    def _predict_batch(self, docs: List[Doc]) -> List[np.ndarray]:
        """Score and decode documents of like length together."""
        scores = self.model.predict(docs)
        tag_scores = xp2torch(scores.tags)
        forced_outside = np.concatenate([self._forced_outside(doc) for doc in docs])
        tag_scores[torch.from_numpy(forced_outside), 1:] = -torch.inf
        lengths = xp2torch(scores.lengths).long()
        tags = viterbi(tag_scores, lengths[lengths > 0], TagScheme(self.labels))
        return list(np.split(tags.cpu().numpy(), np.cumsum([len(doc) for doc in docs])[:-1]))

    def _forced_outside(self, doc: Doc) -> np.ndarray:
        """(tokens,) bool: the tokens that are taken, which no predicted entity may touch."""
        if self.cfg["overwrite"] or not doc.has_annotation("ENT_IOB"):
            return np.zeros(len(doc), dtype=bool)
        return np.array([token.ent_iob in (1, 3) for token in doc], dtype=bool)

    def set_annotations(self, docs: Iterable[Doc], tags: Sequence[np.ndarray]) -> None:
        """Write predicted entities to the documents.

        Unless `overwrite` is set, entities and blocked tokens that are already there stay, and predicted
        entities that touch them are left out, as in spaCy's `ner`. Entities do not begin or end in white
        space.

        docs (Iterable[Doc]): The documents.
        tags (Sequence[np.ndarray]): What `predict` returned for them.
        """
        scheme = TagScheme(self.labels)
        for doc, doc_tags in zip(docs, tags, strict=True):
            spans = (
                _trimmed(doc, start, stop, scheme.labels[label])
                for start, stop, label in scheme.decode(doc_tags)
            )
            ents = [span for span in spans if span is not None]
            if self.cfg["overwrite"]:
                doc.set_ents(ents, default="outside")
                continue
            taken = self._forced_outside(doc)
            if not taken.any():
                doc.set_ents(ents, default="outside")
                continue
            free = [ent for ent in ents if not taken[ent.start : ent.end].any()]
            for ent in free:
                taken[ent.start : ent.end] = True
            outside = [doc[i : i + 1] for i in np.flatnonzero(~taken).tolist()]
            doc.set_ents(free, outside=outside, default="unmodified")

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of examples.

        examples (Iterable[Example]): The batch.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer; without it, gradients only accumulate.
        losses (Optional[Dict[str, float]]): Updated: the whole loss under the component's name, its two
            parts under `<name>_categorical` and `<name>_positional` (unweighted).
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        parts = [self.name, f"{self.name}_categorical", f"{self.name}_positional"]
        for part in parts:
            losses.setdefault(part, 0.0)
        examples = list(examples)
        validate_examples(examples, "PositionalNER.update")
        if not any(len(example.predicted) for example in examples):
            return losses  # the layers below can't handle a batch without tokens
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update([example.predicted for example in examples])
        loss, d_scores = self._loss(examples, scores)
        backprop(d_scores)
        if sgd not in (None, False):
            self.finish_update(sgd)
        for part, value in zip(parts, (loss.total, loss.categorical, loss.positional), strict=True):
            losses[part] += value
        return losses

    def get_loss(self, examples: Iterable[Example], scores: TokenScores) -> Tuple[float, TokenScores]:
        """Find the loss of a batch and its gradient, `categorical + λ · positional` (DESIGN.md 2.8).

        Both parts are means over the tokens that have a gold tag. Tokens without one, because the annotation
        is missing, misaligned or of an unknown type, carry no loss.

        examples (Iterable[Example]): The batch.
        scores (TokenScores): The model's output for it.
        RETURNS (Tuple[float, TokenScores]): The loss in nats per token, and its gradient.
        """
        loss, d_scores = self._loss(list(examples), scores)
        return loss.total, d_scores

    def _loss(self, examples: List[Example], scores: TokenScores) -> Tuple[TaggingLoss, TokenScores]:
        validate_examples(examples, "PositionalNER.get_loss")
        strings = self.vocab.strings
        label_index = {strings[label]: i for i, label in enumerate(self.labels)}
        gold = gold_batch(examples, label_index)
        self._warn_unseen({strings[key] for key in gold.unseen.tolist()})
        tags, logits = xp2torch(scores.tags), xp2torch(scores.positions)
        if not torch.isfinite(tags).all():
            raise ValueError(Errors.E940)
        loss, d_tags, d_logits = loss_and_gradient(
            tags,
            logits,
            torch.from_numpy(gold.tags).to(tags.device),
            torch.from_numpy(gold.positions).to(tags.device),
            self.cfg["positional_weight"],
        )
        if not math.isfinite(loss.total):
            raise ValueError(Errors.E910.format(name=self.name))
        d_tag_scores = cast(Floats2d, torch2xp(d_tags))
        return loss, TokenScores(d_tag_scores, cast(Floats2d, torch2xp(d_logits)), scores.lengths)

    def _warn_unseen(self, labels: Set[str]) -> None:
        """Say once of each label that the component has not been set up for it."""
        new = labels - self._warned_labels
        if new:
            self._warned_labels |= new
            warnings.warn(
                f"'{self.name}' was not initialized with the entity types {sorted(new)}: tokens of such "
                "entities are left out of the loss. Initialize with all labels (a corpus that has them, "
                f"or [initialize.components.{self.name}.labels]).",
                stacklevel=4,
            )

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[List[str]] = None,
    ) -> None:
        """Find the labels and build the model's head.

        The examples are gone over even if labels are given, to say which entities training would lose.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Optional[Language]): The pipeline; needed to find the transformer that is listened to.
        labels (Optional[List[str]]): The entity types, instead of those found in the examples.
        RAISES (ValueError): If there are no examples, or no labels.
        """
        validate_get_examples(get_examples, "PositionalNER.initialize")
        survey = survey_examples(get_examples(), INITIALIZE_SAMPLE)
        if not survey.sample:
            raise ValueError(Errors.E923.format(name=self.name))
        if survey.misaligned:
            warnings.warn(survey.describe_misaligned(self.name), stacklevel=2)
        for label in survey.labels if labels is None else labels:
            self.add_label(label)
        self._require_labels()
        tok2vec = self.model.get_ref("tok2vec")
        encoder = find_encoder(tok2vec, nlp)
        self.model.set_dim("nO", len(TagScheme(self.labels)))
        self.model.initialize(X=survey.sample)
        if encoder is not None:
            set_pad_embedding(self.model, pad_embedding(encoder))


def _trimmed(doc: Doc, start: int, stop: int, label: str) -> Optional[Span]:
    """Make a span without white space at its edges; nothing if it is all white space."""
    while start < stop and doc[start].is_space:
        start += 1
    while start < stop and doc[stop - 1].is_space:
        stop -= 1
    return Span(doc, start, stop, label=label) if start < stop else None
