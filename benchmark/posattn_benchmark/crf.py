"""A linear-chain CRF on hand-made features, as it was done before encoders."""

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

import pycrfsuite
from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Token
from spacy.training import Example, biluo_tags_to_spans, iob_to_biluo, validate_get_examples
from spacy.vocab import Vocab

from .tags import iob_tag

# Those of the tutorials of sklearn-crfsuite, which hands them on to the same library.
SETTINGS = {"c1": 0.1, "c2": 0.1, "max_iterations": 100, "feature.possible_transitions": True}
NEIGHBOURS = (-2, -1, 0, 1, 2)


class Crf(Pipe):
    """Tags words by what they and their neighbours look like.

    vocab (Vocab): The shared vocabulary.
    name (str): The component's name in the pipeline.
    """

    def __init__(self, vocab: Vocab, name: str = "posattn_crf") -> None:
        self.vocab = vocab
        self.name = name
        self.scorer = get_ner_prf
        self.model = b""
        self._tagger: Optional[pycrfsuite.Tagger] = None

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Optional[Language] = None
    ) -> None:
        """Train the CRF; it needs all examples at once, and no updates after it.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Optional[Language]): The pipeline.
        """
        validate_get_examples(get_examples, "Crf.initialize")
        trainer = pycrfsuite.Trainer(verbose=False)
        trainer.set_params(SETTINGS)
        for example in get_examples():
            reference = example.reference
            if len(reference):
                trainer.append(pycrfsuite.ItemSequence(features(reference)), list(map(iob_tag, reference)))
        with NamedTemporaryFile(suffix=".crfsuite") as file:
            trainer.train(file.name)
            self.model = Path(file.name).read_bytes()
        self._tagger = None

    def __call__(self, doc: Doc) -> Doc:
        """Tag a document, whose entities are replaced."""
        if self._tagger is None:
            self._tagger = pycrfsuite.Tagger()
            self._tagger.open_inmemory(self.model)
        tags = self._tagger.tag(pycrfsuite.ItemSequence(features(doc))) if len(doc) else []
        doc.set_ents(biluo_tags_to_spans(doc, iob_to_biluo(tags)))
        return doc

    def to_disk(self, path: Path, *, exclude: Sequence[str] = ()) -> None:
        """Write the CRF to a file."""
        path.write_bytes(self.model)

    def from_disk(self, path: Path, *, exclude: Sequence[str] = ()) -> "Crf":
        """Read the CRF from a file."""
        self.model = path.read_bytes()
        self._tagger = None
        return self


def features(doc: Doc) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): The features of each token: its own, and those of its neighbours."""
    own = [dict(_of_word(token)) for token in doc]
    return [
        {
            f"{place}:{name}": value
            for place in NEIGHBOURS
            if 0 <= i + place < len(own)
            for name, value in own[i + place].items()
        }
        for i in range(len(own))
    ]


def _of_word(token: Token) -> Iterator[tuple[str, Any]]:
    yield "lower", token.lower_
    yield "shape", token.shape_
    yield "prefix", token.text[:3]
    yield "suffix", token.text[-3:]
    yield "suffix 2", token.text[-2:]
    yield "title", token.is_title
    yield "upper", token.is_upper
    yield "digit", token.is_digit
