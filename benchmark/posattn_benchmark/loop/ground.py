"""What all studies of the loop stand on: a corpus, an encoder, a seed."""

import random
from pathlib import Path
from typing import Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import load_config, set_dot_to_object
from spacy.vocab import Vocab

from posattn_spacy.annotated import bare_copy
from posattn_spacy.annotating.bench import Bench
from posattn_spacy.frozen.callback import FeatureStoreCallback
from posattn_spacy.starting.config import make_config
from posattn_spacy.starting.fitted import TEMPLATE, fitting_layers

from ..corpora.found import Corpus

STORE_GB = 20.0
Entity = Tuple[int, int, int, str]  # document, first token, one past the last, label


class Ground(NamedTuple):
    """Where a trial is made.

    corpus (Corpus): The corpus.
    encoder (Path): Folder of the encoder.
    lang (str): Language of the corpus.
    features (Path): Folder of the feature store.
    seed (int): Seed of trainings and of what is drawn.
    """

    corpus: Corpus
    encoder: Path
    lang: str
    features: Path
    seed: int

    def bench(self, words: int, first_look: bool = False) -> Bench:
        """Make what trains heads on the corpus, or on parts of it.

        words (int): How many there are to learn from, to which the layers are fitted.
        first_look (bool): Whether they look twice.
        RETURNS (Bench): With the settings that fit so many words.
        """
        train, dev = (self.corpus.folder / f"{part}.spacy" for part in ("train", "dev"))
        made = make_config(train, dev, self.corpus.words("dev"), self.encoder, self.lang, self.features)
        shipped = load_config(TEMPLATE, overrides={"paths.encoder": str(self.encoder)})
        for setting, value in fitting_layers(shipped, words).items():
            set_dot_to_object(made.config, setting, value)
        if not first_look:
            made.config["components"]["posattn_ner"]["model"]["first_width"] = 0
        return Bench(made.config)

    def load(self, folder: Path) -> Language:
        """RETURNS (Language): The pipeline in a folder, which reads and keeps features where trainings do."""
        nlp = spacy.load(folder)
        FeatureStoreCallback(self.features, STORE_GB, "float16").attach(nlp)
        return nlp

    def docs(self, part: str, vocab: Vocab, n: Optional[int] = None) -> List[Doc]:
        """Read documents.

        part (str): "train", "dev" or "test".
        vocab (Vocab): The vocabulary they are to have.
        n (Optional[int]): How many, drawn by the seed; None for all, in their order.
        RETURNS (List[Doc]): The documents.
        """
        docs = list(DocBin().from_disk(self.corpus.folder / f"{part}.spacy").get_docs(vocab))
        return docs if n is None else random.Random(self.seed).sample(docs, min(n, len(docs)))

    def words(self, n: int) -> int:
        """RETURNS (int): How many words so many documents of train have, drawn by the seed."""
        return sum(map(len, self.docs("train", Vocab(), n)))


def entities(docs: Iterable[Doc]) -> Set[Entity]:
    """RETURNS (Set[Entity]): The entities of documents."""
    return {(i, ent.start, ent.end, ent.label_) for i, doc in enumerate(docs) for ent in doc.ents}


def found(nlp: Language, docs: Sequence[Doc]) -> Set[Entity]:
    """RETURNS (Set[Entity]): What a pipeline finds in the tokens of documents, sentence marks kept."""
    return entities(nlp.pipe(bare_copy(doc, nlp.vocab, sentences=True) for doc in docs))


def span_f(predicted: Set[Entity], gold: Set[Entity], labels: Optional[Set[str]] = None) -> float:
    """Score entities.

    predicted (Set[Entity]): What was found.
    gold (Set[Entity]): What is right.
    labels (Optional[Set[str]]): Only those of these labels.
    RETURNS (float): Span F1.
    """
    if labels is not None:
        predicted, gold = ({each for each in of if each[3] in labels} for of in (predicted, gold))
    return 2 * len(predicted & gold) / max(len(predicted) + len(gold), 1)
