"""The spaCy component `posattn_ner`: trainable named entity recognition with positional attention."""

import warnings
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

import numpy as np
import torch
from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from spacy_transformers.util import batch_by_length
from thinc.api import Model, Optimizer, set_dropout_rate

from .annotation import (
    kept_entities,
    kept_spans,
    predicted_spans,
    taken_tokens,
    text_spans,
    write_entities,
    write_group,
)
from .confidence import write_confidence
from .configured_pipe import ConfiguredPipe
from .decoding import Choice, Prediction, lattice_of, token_spans
from .evaluated import Evaluated
from .frozen.architecture import first_state_width, pad_embedding
from .frozen.taking_turns import take_turns
from .frozen.upstream import find_encoder, find_listeners, require_features
from .gold import GoldBatch, describe_spans, gold_batch, survey_examples
from .head import TokenScores
from .lattice import Lattice
from .looks import Looks, can_look_twice, look_twice
from .model import (
    first_torch_head,
    is_initialized,
    predict_both,
    require_widths,
    set_first_state,
    set_pad_embedding,
    use_averages,
)
from .neighbours import Pipeline
from .objective import Objective, objective
from .process import Watch
from .settings import FITTED, UNFITTED, check_labels
from .tagging import Spans, TagScheme
from .texts import read_words

INITIALIZE_SAMPLE = 10  # documents
PREDICT_TOKENS = 8192  # per padded batch


class PositionalNER(ConfiguredPipe):
    """Pipeline component that recognises named entities with positional attention (DESIGN.md 2).

    Its `cfg` has the settings in `DEFAULTS`, which may be changed there, what the config said of them
    (`configured`), and what is learned: `labels`, `temperature`, and the temperature at which the thresholds
    were fitted, if they were (`thresholds_at`).
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], TokenScores],
        name: str = "posattn_ner",
        *,
        positional_weight: float = 0.0,
        label_weights: Optional[Dict[str, float]] = None,
        threshold: float = 0.0,
        label_thresholds: Optional[Dict[str, float]] = None,
        candidates: Optional[float] = None,
        second_look: Union[str, float, None] = FITTED,
        second_look_tolerance: float = 0.0005,
        show_second_look: bool = False,
        overwrite: bool = False,
        scorer: Optional[Callable] = None,
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], TokenScores]): The model.
        name (str): The component's name in the pipeline.
        positional_weight (float): Weight λ of the positional loss, at least 0.
        label_weights (Optional[Dict[str, float]]): Weights of types in the categorical loss, 1 if not given.
        threshold (float): The least probability of an entity.
        label_thresholds (Optional[Dict[str, float]]): The same for single types, in place of `threshold`.
        candidates (Optional[float]): The least probability of a candidate; None for no candidates.
        second_look (Union[str, float, None]): Which texts the encoder runs for, see `factory`.
        second_look_tolerance (float): What fitting that may cost of span F1.
        show_second_look (bool): Whether the texts that it ran for are written to `doc.spans`.
        overwrite (bool): Whether entities that are already there give way to predicted ones.
        scorer (Optional[Callable]): The scoring method.
        RAISES (ValueError): If a setting is out of its range.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.configure(
            positional_weight=positional_weight,
            label_weights=dict(label_weights or {}),
            threshold=threshold,
            label_thresholds=dict(label_thresholds or {}),
            candidates=candidates,
            second_look=second_look,
            second_look_tolerance=second_look_tolerance,
            show_second_look=show_second_look,
            overwrite=overwrite,
        )
        self.scorer = scorer
        self.pipeline = Pipeline()
        self.evaluated = Evaluated()
        self._warned_labels: Set[str] = set()
        self._memory = Watch()

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The entity types the component can predict."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """RETURNS (List[str]): What `spacy init labels` writes, and `initialize` takes."""
        return list(self.labels)

    @property
    def thresholds(self) -> np.ndarray:
        """RETURNS (np.ndarray): (labels,) the least probability of an entity of each label."""
        of_labels, threshold = self.cfg["label_thresholds"], self.cfg["threshold"]
        return np.array([of_labels.get(label, threshold) for label in self.labels])

    @property
    def look_threshold(self) -> Optional[float]:
        """Say of which texts the first look is sure enough.

        RETURNS (Optional[float]): The least probability of a text's best tags; None if the encoder runs for
            all texts: because there is no first look, or that is the setting, or dev has said so, or nothing
            has been fitted.
        """
        setting, fitted = self.cfg["second_look"], self.cfg["fitted_look"] or {}
        if first_torch_head(self.model) is None:
            return None
        return fitted.get("threshold") if setting == FITTED else setting

    def add_label(self, label: str) -> int:
        """Add an entity type, before the component is initialized.

        label (str): The entity type.
        RETURNS (int): 0 if it was there already, else 1.
        RAISES (ValueError): If the label is no string, or the model's output has its final size.
        """
        if isinstance(label, str) and label not in self.labels and self.model.has_dim("nO"):
            raise ValueError(
                f"{Errors.E922.format(name=self.name, nO=self.model.get_dim('nO'))} It finds "
                f"{', '.join(self.labels)}. To find {label} too, train anew on documents in which all of "
                "them are annotated: nlp.initialize(get_examples) keeps these labels, adds those of the "
                "examples and starts from new weights, as does `spacy train` with a config that does not "
                f"source '{self.name}' (its frozen transformer may be sourced). Or add a second component "
                f"under another name, which learns {label} alone."
            )
        return self._take_label(label)

    def _take_label(self, label: str) -> int:
        """Add an entity type, whatever the size of the model's output; 0 if it was there already, else 1."""
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1

    def predict(self, docs: Iterable[Doc]) -> List[Prediction]:
        """Find the entities of every document and how sure they are, without modifying it.

        docs (Iterable[Doc]): The documents.
        RETURNS (List[Prediction]): What was found, per document.
        RAISES (ValueError): If the component has not been initialized, a transformer it listens to has not
            run, or a setting is out of its range.
        """
        docs = list(docs)
        self.require_settings()
        self.pipeline.mend()
        take_turns(self.model)
        if not is_initialized(self.model):
            raise ValueError(Errors.E109.format(name=self.name))
        for listener in find_listeners(self.model):
            require_features(docs, listener)
        predictions = {id(doc): Prediction.none() for doc in docs}
        filled = [doc for doc in docs if len(doc)]
        threshold = self.look_threshold
        if threshold is not None:
            quick = [can_look_twice(words) for words in read_words(filled)]
            twice = [doc for doc, is_quick in zip(filled, quick, strict=True) if is_quick]
            filled = [doc for doc, is_quick in zip(filled, quick, strict=True) if not is_quick]
            found = look_twice(self.model, twice, self._looks(threshold)) if twice else []
            predictions |= zip(map(id, twice), found, strict=True)
        for batch in batch_by_length(filled, PREDICT_TOKENS):  # one long document would pad all others
            together = [filled[i] for i in batch]
            predictions |= zip(map(id, together), self._decode_all(together), strict=True)
        self._memory.batch_read()
        return [predictions[id(doc)] for doc in docs]

    def _decode_all(self, docs: List[Doc]) -> List[Prediction]:
        """Find what is in documents, all of which the encoder has read."""
        if not self.evaluated.is_learning:
            return self.decode(docs, self.model.predict(docs))
        scores = predict_both(self.model, docs)
        self.evaluated.keep(docs, scores)
        return self.decode(docs, scores)

    def _looks(self, threshold: float) -> Looks:
        temperatures = self.cfg["first_temperature"], self.cfg["temperature"]
        return Looks(threshold, *temperatures, self.cfg["overwrite"], self._choice)

    @property
    def _choice(self) -> Choice:
        return Choice(self.thresholds, self.cfg["candidates"])

    def decode(self, docs: List[Doc], scores: TokenScores) -> List[Prediction]:
        """Find what the model's scores say of documents, as the settings have it.

        docs (List[Doc]): The documents, at least one of them with words.
        scores (TokenScores): What the model says about their words.
        RETURNS (List[Prediction]): Entities and candidates, per document.
        """
        lattice = self.lattice(docs, scores)
        found = self._choice.entities(lattice, lattice.best()), self._choice.all_candidates(lattice)
        entities, candidates = (token_spans(spans, scores) for spans in found)
        return [Prediction(*each, Spans.none()) for each in zip(entities, candidates, strict=True)]

    def lattice(self, docs: List[Doc], scores: TokenScores) -> Lattice:
        """Make the distribution over tag sequences that the model's scores stand for.

        docs (List[Doc]): The documents; what is taken in them stays outside of entities.
        scores (TokenScores): What the model says about their words.
        RETURNS (Lattice): The distribution, at the temperature that was fitted.
        """
        return lattice_of(docs, scores, self.cfg["temperature"], self.cfg["overwrite"])

    def set_annotations(self, docs: Iterable[Doc], predictions: Sequence[Prediction]) -> None:
        """Write predicted entities to the documents, and with their scores to `doc.spans`.

        Unless `overwrite` is set, entities and blocked tokens that are already there stay, and predicted
        entities that touch them are left out, as in spaCy's `ner`. Entities do not begin or end in white
        space, but may have some inside. The group in `doc.spans` has the name of the component. Candidates,
        if asked for, are in `<name>_candidates`. What it has found before and is still there stays in both.

        docs (Iterable[Doc]): The documents.
        predictions (Sequence[Prediction]): What `predict` returned for them.
        """
        for doc, prediction in zip(docs, predictions, strict=True):
            taken = taken_tokens(doc, self.cfg["overwrite"])
            kept = kept_entities(doc, self.name, taken)
            found = predicted_spans(doc, prediction.entities, self.labels, taken)
            if self.cfg["candidates"] is not None:
                key = f"{self.name}_candidates"
                candidates = predicted_spans(doc, prediction.candidates, self.labels, taken)
                write_group(doc, key, [*kept_spans(doc, key, taken), *candidates])
            if self.cfg["show_second_look"]:
                write_group(doc, f"{self.name}_twice", text_spans(doc, prediction.twice))
            write_group(doc, self.name, [*kept, *found])
            write_confidence(doc, self.name, dict([*kept, *found]))
            write_entities(doc, [span for span, _ in found], taken)

    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
        """Work with other weights for a while, such as an optimizer's averages.

        Like that of all pipes it is a plain generator, which `nlp.use_params` sends on by hand.

        params (Dict[Any, Any]): The weights by the keys of thinc's optimizers.
        """
        with self.model.use_params(params), use_averages(self.model, params):
            yield

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

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score what was found, and while the component learns remember how it came about, for `calibrate`.

        examples (Iterable[Example]): The examples, whose documents the pipeline has run over.
        kwargs (Any): For the scorer.
        RETURNS (Dict[str, Any]): The scores.
        """
        examples = list(examples)
        self.evaluated.score(examples)
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
        return gold_batch(examples, {strings[label]: i for i, label in enumerate(self.labels)})

    def _objective(self, examples: List[Example], scores: TokenScores) -> Objective:
        gold = self.gold_of(examples)
        self._warn_unseen({self.vocab.strings[key] for key in gold.unseen.tolist()})
        return objective(scores, gold, self.name, self.cfg["positional_weight"], self._tag_weights())

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
                f"'{self.name}' was not initialized with the entity types {sorted(new)}: tokens of such "
                "entities are left out of the loss, and no update teaches them. Train anew, initialized with "
                f"all labels (a corpus that has them, or [initialize.components.{self.name}.labels]).",
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
