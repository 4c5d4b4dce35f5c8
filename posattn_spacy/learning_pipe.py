"""A component that learns: its labels, its updates, and the loss (DESIGN.md 2.8)."""

import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple, Union

import torch
from spacy.errors import Errors
from spacy.language import Language
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate

from .configured_pipe import ConfiguredPipe
from .evaluated import Evaluated
from .frozen.architecture import first_state_width, pad_embedding
from .frozen.upstream import find_encoder
from .gold import GoldBatch, describe_spans, gold_batch, survey_examples
from .head import TokenScores
from .losses import Contradiction
from .model import add_tags, is_initialized, require_widths, set_first_state, set_pad_embedding, use_averages
from .objective import Objective, objective
from .settings import UNFITTED, check_labels
from .tagging import TagScheme
from .texts import read_words

INITIALIZE_SAMPLE = 10  # documents


class LearningPipe(ConfiguredPipe):
    """A component with labels and a tagger that is trained.

    vocab (Vocab): The shared vocabulary.
    model (Model[List[Doc], TokenScores]): The tagger.
    name (str): The component's name in the pipeline.
    settings (Any): A value for each of `settings.DEFAULTS`.
    RAISES (ValueError): If one is out of its range.
    """

    def __init__(self, vocab: Vocab, model: Model, name: str, **settings: Any) -> None:
        self.vocab = vocab
        self.model = model
        self.name = name
        self.configure(**settings)
        self.evaluated = Evaluated()
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
        """Add an entity type. A trained component finds it once it has learned it, and others as before.

        label (str): The entity type.
        RETURNS (int): 0 if it was there already, else 1.
        RAISES (ValueError): If the label is no string, or the model has a fixed number of tags.
        """
        is_new = isinstance(label, str) and label not in self.labels
        if is_new and self.model.has_dim("nO") and not self.is_resizable:
            raise ValueError(Errors.E922.format(name=self.name, nO=self.model.get_dim("nO")))
        added = self._take_label(label)
        if added and self.is_resizable:
            self.set_output(len(TagScheme(self.labels)))
        return added

    @property
    def is_resizable(self) -> bool:
        """RETURNS (bool): Whether the model has been built, and so can be given more tags."""
        return is_initialized(self.model)

    def set_output(self, nO: int) -> None:
        """Give the model more tags.

        nO (int): Number of tags from now on.
        RAISES (NotImplementedError): If it has not been built.
        """
        if not self.is_resizable:
            raise NotImplementedError(Errors.E921)
        add_tags(self.model, nO)

    def _take_label(self, label: str) -> int:
        """Add an entity type, whatever the size of the model's output; 0 if it was there already, else 1."""
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1

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
        RAISES (ValueError): If there are no examples, or no labels, or a setting is out of its range.
        """
        validate_get_examples(get_examples, "PositionalNER.initialize")
        self.require_settings()
        survey = survey_examples(get_examples(), INITIALIZE_SAMPLE)
        if not survey.sample:
            raise ValueError(Errors.E923.format(name=self.name))
        if survey.misaligned:
            warnings.warn(survey.describe_misaligned(self.name), stacklevel=2)
        for label in survey.labels if labels is None else labels:
            self._take_label(label)
        if not self.labels:
            raise ValueError(
                f"{Errors.E143.format(name=self.name)} No entity is annotated in the examples."
                f"{describe_spans(survey.spans)}"
            )
        check_labels(f"components.{self.name}", self.cfg, self.labels)
        tok2vec = self.model.get_ref("tok2vec")
        encoder = find_encoder(tok2vec, nlp)
        n_tags = len(TagScheme(self.labels))
        self.model.set_dim("nO", n_tags, force=is_initialized(self.model))  # there may be new labels
        set_first_state(self.model, first_state_width(encoder) if tok2vec.attrs.get("frozen") else 0)
        self.model.initialize(X=survey.sample)
        self.cfg |= UNFITTED  # what was fitted was of other weights
        self.evaluated = Evaluated()
        if encoder is not None:
            set_pad_embedding(self.model, pad_embedding(encoder))

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
            parts under `<name>_categorical` and `<name>_positional` (unweighted), and that of the first look,
            if there is one, under `<name>_first`.
        RETURNS (Dict[str, float]): The losses.
        RAISES (ValueError): If the component has not been initialized.
        """
        losses = {} if losses is None else losses
        parts = [self.name, f"{self.name}_categorical", f"{self.name}_positional"]
        for part in parts:
            losses.setdefault(part, 0.0)
        self.require_settings()
        examples = list(examples)
        validate_examples(examples, "PositionalNER.update")
        if not any(len(example.predicted) for example in examples):
            return losses  # the layers below can't handle a batch without tokens
        if not is_initialized(self.model):
            raise ValueError(Errors.E109.format(name=self.name))
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update([example.predicted for example in examples])
        loss, first, gradient = self._objective(examples, scores)
        backprop(gradient)
        if sgd not in (None, False):
            self.finish_update(sgd)
        for part, value in zip(parts, (loss.total, loss.categorical, loss.positional), strict=True):
            losses[part] += value
        if first is not None:
            losses[f"{self.name}_first"] = losses.get(f"{self.name}_first", 0.0) + first.total
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Let an optimizer change the weights; what was fitted to them before says nothing of the new ones.

        sgd (Optimizer): The optimizer.
        """
        super().finish_update(sgd)
        self.cfg["fitted_look"] = None
        self.evaluated.begin()

    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
        """Work with other weights for a while, such as an optimizer's averages.

        Like that of all pipes it is a plain generator, which `nlp.use_params` sends on by hand.

        params (Dict[Any, Any]): The weights by the keys of thinc's optimizers.
        """
        with self.model.use_params(params), use_averages(self.model, params):
            yield

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score what was found, and while the component learns remember how it came about, for `calibrate`.

        examples (Iterable[Example]): The examples, whose documents the pipeline has run over.
        kwargs (Any): For the scorer.
        RETURNS (Dict[str, Any]): The scores.
        """
        examples = list(examples)
        self.evaluated.score(examples, self.gold_of)
        return super().score(examples, **kwargs)

    def get_loss(self, examples: Iterable[Example], scores: TokenScores) -> Tuple[float, TokenScores]:
        """Find the loss of a batch and its gradient, `categorical + λ · positional` (DESIGN.md 2.8).

        Both parts are means over the tokens that have a gold tag. Tokens without one, because the annotation
        is missing, misaligned or of an unknown type, carry no loss.

        examples (Iterable[Example]): The batch.
        scores (TokenScores): The model's output for it.
        RETURNS (Tuple[float, TokenScores]): The loss in nats per token, and its gradient; 0 without tokens.
        """
        examples = list(examples)
        validate_examples(examples, "PositionalNER.get_loss")
        if not any(len(example.predicted) for example in examples):
            return 0.0, scores._replace(tags=scores.tags * 0, positions=scores.positions * 0, first=None)
        loss, first, gradient = self._objective(examples, scores)
        return loss.total + (0.0 if first is None else first.total), gradient

    def gold_of(self, examples: Sequence[Example]) -> GoldBatch:
        """Make the training targets of a batch, for the labels that the component has.

        examples (Sequence[Example]): The batch, at least one of its documents with tokens.
        RETURNS (GoldBatch): The targets.
        """
        strings = self.vocab.strings
        label_index = {strings[label]: i for i, label in enumerate(self.labels)}
        return gold_batch(examples, label_index, self.cfg["incorrect_spans_key"])

    def _objective(self, examples: List[Example], scores: TokenScores) -> Objective:
        gold = self.gold_of(examples)
        self._warn_unseen({self.vocab.strings[key] for key in gold.unseen.tolist()})
        try:
            return objective(scores, gold, self.name, self.cfg["positional_weight"], self._tag_weights())
        except Contradiction as error:
            words = read_words([example.predicted for example in examples])
            filled = [one.reference for one, own in zip(examples, words, strict=True) if len(own.places)]
            raise ValueError(
                f"'{self.name}' can't learn from the document {filled[error.text].text[:200]!r}: a span is "
                f'annotated as an entity there, and doc.spans["{self.cfg["incorrect_spans_key"]}"] says that '
                "it is none. Take it out of one of the two."
            ) from error

    def _tag_weights(self) -> Optional[torch.Tensor]:
        """(tags,) weights of the categorical loss; None if all are 1."""
        weights = self.cfg["label_weights"]
        if not weights:
            return None
        of_labels = [weights.get(label, 1.0) for label in self.labels for _ in range(2)]
        return torch.tensor([1.0, *of_labels])

    def _warn_unseen(self, labels: Set[str]) -> None:
        """Say once of each label that the component has not been set up for it."""
        new = labels - self._warned_labels
        if new:
            self._warned_labels |= new
            warnings.warn(
                f"'{self.name}' does not know the entity types {sorted(new)}: tokens of such entities are "
                "left out of the loss, and no update teaches them. Add them first, as its method add_label "
                "and `python -m spacy posattn update` do.",
                stacklevel=4,
            )

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "LearningPipe":
        """Load the component, see `ConfiguredPipe`; what it has said of dev was of other weights."""
        self.evaluated = Evaluated()
        super().from_disk(path, exclude=exclude)
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "LearningPipe":
        """Load the component, see `ConfiguredPipe`; what it has said of dev was of other weights."""
        self.evaluated = Evaluated()
        super().from_bytes(bytes_data, exclude=exclude)
        return self

    def require_match(self) -> None:
        """Insist that the model has the tags of the labels, and that its parts fit each other.

        RAISES (ValueError): If it has not, or they do not.
        """
        n_tags = len(TagScheme(self.labels))
        if self.model.has_dim("nO") and self.model.get_dim("nO") != n_tags:
            raise ValueError(
                f"its file 'cfg' has {len(self.labels)} labels, which takes {n_tags} tags, and its file "
                f"'model' has {self.model.get_dim('nO')}: they are of different pipelines"
            )
        require_widths(self.model)
