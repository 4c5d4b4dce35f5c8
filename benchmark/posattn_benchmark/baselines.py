"""What the head is held against: other heads on the same features, and a lexicon of tags."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Callable, DefaultDict, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
import srsly
import torch
from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.training import Example, biluo_tags_to_spans, iob_to_biluo, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import (
    Dropout,
    Linear,
    Maxout,
    Model,
    PyTorchWrapper_v3,
    chain,
    concatenate,
    noop,
    with_array,
    with_padded,
)
from thinc.layers.pytorchwrapper import convert_rnn_inputs, convert_rnn_outputs
from thinc.types import Floats2d
from torch.nn import LSTM

from posattn_spacy.head import TokenScores
from posattn_spacy.model import Tagger, Tok2Vec
from posattn_spacy.rows import of_tokens, of_words
from posattn_spacy.saving import TORCH_SAVE, reading, tensors_from_bytes, tensors_to_bytes, torch_saved
from posattn_spacy.texts import read_words

from .tags import iob_tag


def build_linear_tagger_v1(tok2vec: Tok2Vec, nO: Optional[int] = None) -> Tagger:
    """Build a tagger that scores tags by one matrix: what the features alone are worth.

    tok2vec (Model[List[Doc], List[Floats2d]]): Gives one row per token, usually the listener of a frozen
        transformer.
    nO (Optional[int]): Number of tags; set by the component.
    RETURNS (Model[List[Doc], TokenScores]): The model, for a `posattn_ner` without positional loss.
    """
    return _tagger(tok2vec, tok2vec, nO)


def build_bilstm_tagger_v1(
    tok2vec: Tok2Vec,
    lexical: Optional[Tok2Vec] = None,
    hidden_width: int = 256,
    depth: int = 1,
    nO: Optional[int] = None,
) -> Tagger:
    """Build a tagger that reads its features with a bidirectional LSTM in place of the attention.

    tok2vec (Model[List[Doc], List[Floats2d]]): Gives one row per token, usually the listener of a frozen
        transformer.
    lexical (Optional[Model[List[Doc], List[Floats2d]]]): Gives one more row per token, trained along.
    hidden_width (int): Width of the LSTM, both directions together.
    depth (int): How many of them there are, one above the other.
    nO (Optional[int]): Number of tags; set by the component.
    RETURNS (Model[List[Doc], TokenScores]): The model, for a `posattn_ner` without positional loss.
    """
    features = tok2vec if lexical is None else concatenate(tok2vec, lexical)
    hidden: Tok2Vec = chain(
        features,
        with_array(Maxout(hidden_width, nP=2, normalize=True, dropout=0.0)),
        _bilstm(hidden_width, depth),
        with_array(Dropout(0.0)),
    )
    return _tagger(tok2vec, hidden, nO)


def _bilstm(width: int, depth: int) -> Tok2Vec:
    """spaCy's `BiLSTMEncoder`, saved without pickles."""
    if depth == 0:
        return noop()
    lstm: Model = PyTorchWrapper_v3(
        LSTM(width, width // 2, depth, bidirectional=True),
        convert_inputs=convert_rnn_inputs,
        convert_outputs=convert_rnn_outputs,
        serialize_model=_serialize,
        deserialize_model=_deserialize,
    )
    lstm.set_dim("nO", width)
    lstm.set_dim("nI", width)
    return with_padded(with_padded(lstm))


def _serialize(lstm: LSTM) -> bytes:
    return tensors_to_bytes(lstm.state_dict())


def _deserialize(lstm: LSTM, data: bytes, device: torch.device) -> LSTM:
    lstm.load_state_dict(torch_saved(data) if data.startswith(TORCH_SAVE) else tensors_from_bytes(data))
    return lstm.to(device)


def _tagger(tok2vec: Tok2Vec, hidden: Tok2Vec, n_tags: Optional[int]) -> Tagger:
    output: Model[Floats2d, Floats2d] = Linear()
    return Model(
        "baseline_tagger",
        forward,
        init=init,
        layers=[hidden, output],
        refs={"tok2vec": tok2vec, "output_layer": output},
        dims={"nO": n_tags},
    )


def init(model: Tagger, X: Optional[List[Doc]] = None, Y: Any = None) -> None:
    """Give the layers their widths; the number of tags, `nO`, is set by the component beforehand."""
    hidden, output = model.layers
    hidden.initialize(X=X)
    output.set_dim("nO", model.get_dim("nO"))
    output.initialize(X=model.ops.flatten(hidden.predict(X)))


def forward(
    model: Tagger, docs: List[Doc], is_train: bool
) -> Tuple[TokenScores, Callable[[TokenScores], List[Doc]]]:
    """Score the tokens of a batch; there is neither gate nor edges."""
    hidden, output = model.layers
    places = [each.places for each in read_words(docs)]
    rows, backprop_hidden = hidden(docs, is_train)
    of_each = [of_words(*each) for each in zip(rows, places, strict=True)]
    tags, backprop_output = output(model.ops.flatten(of_each), is_train)
    lengths = model.ops.asarray1i([len(each) for each in places])

    def backprop(d_scores: TokenScores) -> List[Doc]:
        d_words = model.ops.unflatten(backprop_output(d_scores.tags), lengths)
        return backprop_hidden(
            [of_tokens(*each) for each in zip(d_words, places, map(len, docs), strict=True)]
        )

    return TokenScores(tags, model.ops.alloc2f(len(tags), 3), lengths, np.concatenate(places)), backprop


def configure_initialize_frozen_v1() -> Callable[[Language], None]:
    """Make a callback for `[initialize.before_init]`: spaCy expects frozen components to come initialized.

    RETURNS (Callable[[Language], None]): Initializes the components that the config lists as frozen.
    """

    def initialize(nlp: Language) -> None:
        for name in nlp.config["training"]["frozen_components"]:
            nlp.enable_pipe(name)  # it must be seen among the others to find who listens to it
            nlp.get_pipe(name).initialize(lambda: [], nlp=nlp)  # type: ignore[attr-defined]
            nlp.disable_pipe(name)

    return initialize


class Lexicon(Pipe):
    """Gives every word the tag that it has most often in the training corpus, and unknown words none.

    vocab (Vocab): The shared vocabulary.
    name (str): The component's name in the pipeline.
    """

    def __init__(self, vocab: Vocab, name: str = "posattn_lexicon") -> None:
        self.vocab = vocab
        self.name = name
        self.tags: Dict[str, str] = {}

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Optional[Language] = None
    ) -> None:
        """Count the tags of every word.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Optional[Language]): The pipeline.
        """
        validate_get_examples(get_examples, "Lexicon.initialize")
        counts: DefaultDict[str, Counter[str]] = defaultdict(Counter)
        for example in get_examples():
            for token in example.reference:
                counts[token.text][iob_tag(token)] += 1
        self.tags = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}

    def __call__(self, doc: Doc) -> Doc:
        """Tag a document, whose entities are replaced."""
        tags = iob_to_biluo(self.tags.get(token.text, "O") for token in doc)
        doc.set_ents(biluo_tags_to_spans(doc, tags))
        return doc

    def to_disk(self, path: Path, *, exclude: Sequence[str] = ()) -> None:
        """Write the lexicon to a file."""
        srsly.write_json(path, self.tags)

    def from_disk(self, path: Path, *, exclude: Sequence[str] = ()) -> "Lexicon":
        """Read the lexicon from a file."""
        with reading(f"'{path}'"):
            tags = srsly.read_json(path)
            if not all(isinstance(tag, str) for tag in tags.values()):
                raise ValueError("it is not a tag for each word")
        self.tags = tags
        return self
