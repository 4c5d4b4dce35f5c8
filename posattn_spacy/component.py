"""The spaCy component `posattn_ner`: trainable named entity recognition with positional attention."""

from typing import (
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import numpy as np
from spacy.errors import Errors
from spacy.tokens import Doc
from spacy.vocab import Vocab
from spacy_transformers.util import batch_by_length
from thinc.api import Model

from .annotation import (
    TWICE,
    kept_entities,
    kept_spans,
    predicted_spans,
    taken_tokens,
    text_spans,
    write_entities,
    write_group,
)
from .confidence import write_confidence
from .decoding import Choice, Prediction, lattice_of, token_spans, whole_texts
from .frozen.taking_turns import take_turns
from .frozen.upstream import find_listeners, require_features
from .head import TokenScores
from .lattice import Lattice
from .learning_pipe import LearningPipe
from .looks import Looks, Seen, all_seen, can_look_twice, look_twice, seen_by_encoder
from .model import (
    first_torch_head,
    is_initialized,
    predict_both,
)
from .neighbours import Pipeline
from .process import Watch
from .settings import FITTED
from .tagging import Spans
from .texts import read_words

PREDICT_TOKENS = 8192  # per padded batch


class PositionalNER(LearningPipe):
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
        incorrect_spans_key: Optional[str] = "incorrect_spans",
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
        incorrect_spans_key (Optional[str]): Group in `doc.spans` of training documents with the spans that
            are known to be no entities of their label; None for none.
        overwrite (bool): Whether entities that are already there give way to predicted ones.
        scorer (Optional[Callable]): The scoring method.
        RAISES (ValueError): If a setting is out of its range.
        """
        super().__init__(
            vocab,
            model,
            name,
            positional_weight=positional_weight,
            label_weights=dict(label_weights or {}),
            threshold=threshold,
            label_thresholds=dict(label_thresholds or {}),
            candidates=candidates,
            second_look=second_look,
            second_look_tolerance=second_look_tolerance,
            show_second_look=show_second_look,
            incorrect_spans_key=incorrect_spans_key,
            overwrite=overwrite,
        )
        self.scorer = scorer
        self.pipeline = Pipeline()
        self._memory = Watch()

    @property
    def thresholds(self) -> np.ndarray:
        """RETURNS (np.ndarray): (labels,) the least probability of an entity of each label."""
        of_labels, threshold = self.cfg["label_thresholds"], self.cfg["threshold"]
        return np.array([of_labels.get(label, threshold) for label in self.labels])

    @property
    def temperatures(self) -> Tuple[float, float]:
        """RETURNS (Tuple[float, float]): By what the scores of first and second look are divided."""
        return self.cfg["first_temperature"], self.cfg["temperature"]

    @property
    def look_threshold(self) -> Optional[float]:
        """Say of which texts the first look is sure enough.

        RETURNS (Optional[float]): The least sureness (see `Lattice.sureness`); None if the encoder runs for
            all texts: because there is no first look, or that is the setting, or dev has said so, or nothing
            has been fitted.
        """
        setting, fitted = self.cfg["second_look"], self.cfg["fitted_look"] or {}
        if first_torch_head(self.model) is None:
            return None
        return fitted.get("threshold") if setting == FITTED else setting

    @property
    def share_encoded(self) -> float:
        """Say how many words the encoder is expected to run for.

        RETURNS (float): Their share of all: 1 if it runs for all texts, what dev has promised if that is in
            use, and 0 if nobody knows.
        """
        if self.look_threshold is None:
            return 1.0
        return self.cfg["fitted_look"]["words"] if self.cfg["second_look"] == FITTED else 0.0

    def predict(self, docs: Iterable[Doc]) -> List[Prediction]:
        """Find the entities of every document and how sure they are, without modifying it.

        docs (Iterable[Doc]): The documents.
        RETURNS (List[Prediction]): What was found, per document.
        RAISES (ValueError): If the component has not been initialized, a transformer it listens to has not
            run, or a setting is out of its range.
        """
        docs = list(docs)
        self._require_ready(docs)
        predictions = {id(doc): Prediction.none() for doc in docs}
        filled = [doc for doc in docs if len(doc)]
        threshold = self.look_threshold
        if threshold is not None:
            words = dict(zip(map(id, filled), read_words(filled), strict=True))
            twice = [doc for doc in filled if can_look_twice(words[id(doc)])]
            read = [words[id(doc)] for doc in twice]
            found = look_twice(self.model, twice, read, self._looks(threshold, filled)) if twice else []
            filled = [doc for doc in filled if not can_look_twice(words[id(doc)])]
            predictions |= zip(map(id, twice), found, strict=True)
        for batch in batch_by_length(filled, PREDICT_TOKENS):  # one long document would pad all others
            together = [filled[i] for i in batch]
            predictions |= zip(map(id, together), self._decode_all(together), strict=True)
        self._memory.batch_read()
        return [predictions[id(doc)] for doc in docs]

    def see(self, docs: Sequence[Doc]) -> Iterator[Tuple[List[Doc], np.ndarray, Seen]]:
        """Look at documents as `predict` does, for those who want to know what is not known of them.

        docs (Sequence[Doc]): Documents that the components before have seen.
        YIELDS (Tuple[List[Doc], np.ndarray, Seen]): Some of the documents, what is seen of some of their
            texts, and between them (texts,) int64 which of these documents each text is of. Each text is
            settled once.
        RAISES (ValueError): As `predict`.
        """
        docs = list(docs)
        self._require_ready(docs)
        words = dict(zip(map(id, docs), read_words(docs), strict=True))
        filled = [doc for doc in docs if len(words[id(doc)].places)]
        threshold, overwrite = self.look_threshold, self.cfg["overwrite"]
        twice = [doc for doc in filled if threshold is not None and can_look_twice(words[id(doc)])]
        if threshold is not None and twice:
            own = [words[id(doc)] for doc in twice]
            for seen in all_seen(self.model, twice, own, self._looks(threshold, docs)):
                yield twice, seen.owners(own), seen
        at_once = set(map(id, twice))
        once = [doc for doc in filled if id(doc) not in at_once]
        for batch in batch_by_length(once, PREDICT_TOKENS):
            together = [once[i] for i in batch]
            own = [words[id(doc)] for doc in together]
            seen = seen_by_encoder(self.model, together, own, self.cfg["temperature"], overwrite)
            yield together, seen.owners(own), seen
        self._memory.batch_read()

    def _require_ready(self, docs: List[Doc]) -> None:
        """Raise ValueError unless the component can look at documents."""
        self.require_settings()
        self.pipeline.mend()
        take_turns(self.model)
        if not is_initialized(self.model):
            raise ValueError(Errors.E109.format(name=self.name))
        for listener in find_listeners(self.model):
            require_features(docs, listener)

    def _decode_all(self, docs: List[Doc]) -> List[Prediction]:
        """Find what is in documents, all of which the encoder has read."""
        if not self.evaluated.is_learning:
            return self.decode(docs, self.model.predict(docs))
        scores = predict_both(self.model, docs)
        self.evaluated.keep(docs, scores)
        return self.decode(docs, scores)

    def _looks(self, threshold: float, docs: Sequence[Doc]) -> Looks:
        """How documents are looked at; the first of them knows the words of all, once these are read."""
        strings, read_anyway = docs[0].vocab.strings, self.pipeline.others_read(self.name)
        return Looks(threshold, *self.temperatures, self.cfg["overwrite"], self._choice, strings, read_anyway)

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
        asked = self.cfg["show_second_look"] or self.look_threshold is not None
        twice = whole_texts(docs) if asked else [Spans.none()] * len(docs)
        return list(map(Prediction, entities, candidates, twice))

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
                write_group(doc, f"{self.name}{TWICE}", text_spans(doc, prediction.twice))
            write_group(doc, self.name, [*kept, *found])
            write_confidence(doc, self.name, dict([*kept, *found]))
            write_entities(doc, [span for span, _ in found], taken)
