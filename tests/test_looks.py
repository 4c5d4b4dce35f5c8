"""The second look: which texts the encoder runs for, and that everything else stays as it is."""

import copy
import math
import pickle
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, Span
from thinc.api import fix_random_seed, xp2torch

from pipelines import (
    FROZEN_LISTENER,
    LEXICAL,
    STOCK_LISTENER,
    TAGGER,
    TEXTS,
    add_frozen_transformer,
    frozen_pipeline,
    initialized,
    make_examples,
    train,
)
from posattn_spacy import looks
from posattn_spacy.frozen import architecture, depth
from posattn_spacy.frozen.architecture import can_wait, huggingface
from posattn_spacy.frozen.callback import configure_feature_store_v1
from posattn_spacy.lattice import Lattice
from posattn_spacy.model import first_torch_head, predict_both, torch_head
from posattn_spacy.second_look import Promise

pytestmark = pytest.mark.gpu

NAME = "posattn_ner"
MORE = ["Alice Smith of Berlin spoke in London", "Peru", "It cost $ 5 million , said Bob Jones of Peru ."]
Found = List[List[Tuple[int, int, str, float]]]


@pytest.fixture
def nlp(tiny_encoder: Callable[[str], Path]) -> Language:
    nlp = frozen_pipeline(tiny_encoder("bert"))
    nlp.add_pipe("sentencizer", first=True)
    train(nlp, 12)
    return nlp


def set_look(nlp: Language, look: Any, **more: Any) -> Language:
    nlp.get_pipe(NAME).cfg.update(second_look=look, **more)
    return nlp


def found(docs: Sequence[Doc], key: str = NAME) -> Found:
    return [
        [
            (span.start, span.end, span.label_, round(float(score), 5))
            for span, score in zip(doc.spans[key], doc.spans[key].attrs["scores"], strict=True)
        ]
        for doc in docs
    ]


def bare(spans: Found) -> List[List[Tuple[int, int, str]]]:
    """Spans without their scores."""
    return [[(start, stop, label) for start, stop, label, _ in doc] for doc in spans]


def sureness(nlp: Language, texts: Sequence[str]) -> np.ndarray:
    """How sure the first look is of texts, per word, found without what is tested here."""
    docs = [nlp.get_pipe("transformer")(nlp.make_doc(text)) for text in texts]
    found = []
    for doc in docs:
        tags = xp2torch(predict_both(nlp.get_pipe(NAME).model, [doc]).first.tags)
        lattice = Lattice(tags / nlp.get_pipe(NAME).cfg["first_temperature"], torch.tensor([len(doc)]))
        found.append(math.exp(lattice.log_likelihood(lattice.best()) / len(doc)))
    return np.array(found)


def between(found: np.ndarray) -> float:
    """A threshold that leaves about half of the texts to the first look."""
    ordered = np.sort(found)
    return float(ordered[len(ordered) // 2 - 1 : len(ordered) // 2 + 1].mean())


def count_encoded(nlp: Language) -> List[Tuple[int, int]]:
    """Append texts and layers of each run of the encoder to a list, from now on."""
    model = nlp.get_pipe("transformer").model
    can_wait(model)  # for which it is tried out once
    runs: List[Tuple[int, int]] = []
    encoder, _ = huggingface(model)
    encoder.encoder.layer[0].register_forward_pre_hook(lambda _, args: runs.append((len(args[0]), 1)))
    return runs


def test_a_text_is_decided_by_the_look_that_its_sureness_says(nlp: Language) -> None:
    texts = [*TEXTS, *MORE]
    p = sureness(nlp, texts)
    threshold = between(p)
    by_second = found(nlp.pipe(texts))
    by_first = found(set_look(nlp, 0.0).pipe(texts))
    assert by_first != by_second
    runs = count_encoded(nlp)
    by_both = found(set_look(nlp, threshold).pipe(texts))
    expected = [
        one if sure else two for one, two, sure in zip(by_first, by_second, p >= threshold, strict=True)
    ]
    for one, other in zip(by_both, expected, strict=True):
        assert [span[:3] for span in one] == [span[:3] for span in other]
        assert [span[3] for span in one] == pytest.approx([span[3] for span in other], abs=1e-4)
    assert sum(texts for texts, _ in runs) == (p < threshold).sum()


def test_without_a_threshold_nothing_but_the_second_look_counts(nlp: Language) -> None:
    expected = found(nlp.pipe(TEXTS))
    nothing, every = (Promise(threshold, 0.5, 0.8, 0.8)._asdict() for threshold in (0.0, None))
    for look, fitted in ((None, nothing), ("fitted", None), ("fitted", every)):
        assert found(set_look(nlp, look, fitted_look=fitted).pipe(TEXTS)) == expected
    assert found(set_look(nlp, "fitted", fitted_look=nothing).pipe(TEXTS)) != expected


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_texts_that_need_it_are_encoded_together(nlp: Language, batch_size: int) -> None:
    runs = count_encoded(set_look(nlp, 1.0))
    list(nlp.pipe([*TEXTS, *MORE], batch_size=batch_size))
    assert len(runs) == -(-7 // batch_size)
    assert sum(texts for texts, _ in runs) == 7


def test_many_texts_wait_for_each_other_no_longer_than_memory_allows(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = found(set_look(nlp, 1.0).pipe(TEXTS * 4))
    monkeypatch.setattr(looks, "AT_ONCE", 8)
    monkeypatch.setattr(looks, "TOGETHER", 16)
    runs = count_encoded(nlp)
    again = found(nlp.pipe(TEXTS * 4))
    assert len(runs) > 4
    assert bare(again) == bare(expected)


def test_sentences_of_a_document_are_decided_one_by_one(nlp: Language) -> None:
    text = " ".join(TEXTS)
    doc = nlp.make_doc(text)
    for i, token in enumerate(doc):
        token.is_sent_start = i == 0 or doc[i - 1].text in (".", "spoke")
    nlp.disable_pipe("sentencizer")
    set_look(nlp, between(sureness(nlp, TEXTS)), show_second_look=True)
    (one,), apart = list(nlp.pipe([doc])), list(nlp.pipe(TEXTS))
    offset, expected = 0, []
    for each in apart:
        expected += [(span.start + offset, span.end + offset, span.label_) for span in each.spans[NAME]]
        offset += len(each)
    assert [(span.start, span.end, span.label_) for span in one.spans[NAME]] == expected
    shown = [span.text for span in one.spans[f"{NAME}_twice"]]
    assert shown == [each.text for each in apart if each.spans[f"{NAME}_twice"]]
    assert 0 < len(shown) < len(TEXTS)


def test_a_long_document_reads_the_same_as_its_sentences(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_look(nlp, between(sureness(nlp, TEXTS)))
    words = [word for text in TEXTS for word in text.split()]
    starts = [place == 0 for text in TEXTS for place, _ in enumerate(text.split())]
    nlp.disable_pipe("sentencizer")

    def read() -> Found:
        return found(nlp.pipe([Doc(nlp.vocab, words=words * 3, sent_starts=starts * 3)]))

    expected = read()
    monkeypatch.setattr(architecture, "LONG", 10)
    monkeypatch.setattr(looks, "AT_ONCE", 20)
    assert [span[:3] for span in read()[0]] == [span[:3] for span in expected[0]]


def test_a_text_too_long_for_that_gets_a_second_look(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = found(nlp.pipe(TEXTS))
    monkeypatch.setattr(looks, "LONG", 4)
    docs = list(set_look(nlp, 0.0, show_second_look=True).pipe(TEXTS))
    assert found(docs) == expected
    assert [span.text for doc in docs for span in doc.spans[f"{NAME}_twice"]] == TEXTS


def test_where_all_texts_get_a_second_look_all_are_shown(nlp: Language) -> None:
    doc = set_look(nlp, None, show_second_look=True)(f"{TEXTS[0]} .  {TEXTS[1]}")
    assert [span.text for span in doc.spans[f"{NAME}_twice"]] == [f"{TEXTS[0]} .", TEXTS[1]]


def test_white_space_and_empty_documents_are_no_texts(nlp: Language) -> None:
    set_look(nlp, between(sureness(nlp, TEXTS)), show_second_look=True)
    docs = list(nlp.pipe(["", "  ", TEXTS[0], "\n"]))
    assert [len(doc.spans[NAME]) for doc in docs if not doc.text.strip()] == [0, 0, 0]
    spaced = nlp.make_doc(f"  {TEXTS[0]}")
    assert [(span.start + 1, span.end + 1) for span in docs[2].spans[NAME]] == [
        (span.start, span.end) for span in nlp(spaced).spans[NAME]
    ]


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u200b"])
def test_a_text_without_words_alone_has_no_entities(nlp: Language, text: str) -> None:
    set_look(nlp, 0.5, show_second_look=True)
    for doc in (nlp(text), *nlp.pipe([text, text])):
        assert not doc.ents
        assert not doc.spans[f"{NAME}_twice"]


def test_documents_of_two_vocabularies_go_together(nlp: Language) -> None:
    other = spacy.blank("xx")
    set_look(nlp, 0.5)
    docs = list(nlp.pipe([nlp.make_doc(TEXTS[0]), other("Zanzibar greets Quetzal people")]))
    assert found(docs) == found([nlp(TEXTS[0]), nlp("Zanzibar greets Quetzal people")])


def test_documents_of_two_vocabularies_may_be_looked_at_apart(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "AT_ONCE", 8)
    other = spacy.blank("en")
    docs = [
        nlp.make_doc(TEXTS[0]),
        other.make_doc("Zelovan left them today"),
        nlp.make_doc("Quiribal saw Peru"),
    ]
    for look in (0.0, 1.0):
        assert len(list(set_look(nlp, look).pipe(docs))) == 3


def test_candidates_and_thresholds_hold_for_both_looks(nlp: Language) -> None:
    texts = [*TEXTS, *MORE]
    threshold = between(sureness(nlp, texts))
    set_look(nlp, threshold, candidates=0.01, threshold=0.3)
    docs = list(nlp.pipe(texts))
    assert all(score >= 0.3 for doc in found(docs) for *_, score in doc)
    by_look: Dict[Any, Found] = {}
    for look in (0.0, None):
        by_look[look] = found(set_look(nlp, look).pipe(texts), f"{NAME}_candidates")
    sure = sureness(nlp, texts) >= threshold
    for own, one, two, first in zip(
        found(docs, f"{NAME}_candidates"), by_look[0.0], by_look[None], sure, strict=True
    ):
        assert [span[:3] for span in own] == [span[:3] for span in (one if first else two)]


def test_what_is_taken_stays_free_of_entities_in_both_looks(nlp: Language) -> None:
    threshold = between(sureness(nlp, TEXTS))
    for look in (0.0, threshold, 1.0):
        set_look(nlp, look)
        docs = [nlp.make_doc(text) for text in TEXTS]
        for doc in docs:
            doc.set_ents([Span(doc, 0, 1, label="rule")], blocked=[doc[1:2]], default="missing")
        for doc in nlp.pipe(docs):
            assert doc[0].ent_type_ == "rule"
            assert not doc[1].ent_type_
            assert all(span.start > 1 for span in doc.spans[NAME])


def test_what_gives_way_gives_way_in_both_looks(nlp: Language) -> None:
    texts = [*TEXTS, *MORE]
    expected: Dict[Any, Found] = {}
    for look in (0.0, between(sureness(nlp, texts)), 1.0):
        set_look(nlp, look, overwrite=False)
        expected[look] = found(nlp.pipe(texts))
        docs = [nlp.make_doc(text) for text in texts]
        for doc in docs:
            doc.set_ents([Span(doc, 0, 1, label="rule")], blocked=[doc[1:2]], default="missing")
        assert found(set_look(nlp, look, overwrite=True).pipe(docs)) == expected[look]
        assert not any(ent.label_ == "rule" for doc in docs for ent in doc.ents)
    assert expected[0.0] != expected[1.0]


def test_a_sourced_component_brings_its_threshold(nlp: Language, tmp_path: Path) -> None:
    promise = Promise(round(between(sureness(nlp, TEXTS)), 6), 0.5, 0.8, 0.8)
    set_look(nlp, "fitted", fitted_look=promise._asdict()).to_disk(tmp_path)
    expected = found(nlp.pipe(TEXTS))
    source = spacy.load(tmp_path)
    other = spacy.blank("xx", vocab=source.vocab)
    for name in source.pipe_names:
        other.add_pipe(name, source=source)
    assert Promise.read(other.get_pipe(NAME).cfg) == promise
    runs = count_encoded(other)
    assert found(other.pipe(TEXTS)) == expected
    assert 0 < sum(texts for texts, _ in runs) < len(TEXTS)


@pytest.mark.parametrize(("share", "is_read_whole"), [(0.4, False), (0.6, True)])
def test_two_components_look_twice_on_one_transformer(
    nlp: Language, tmp_path: Path, share: float, is_read_whole: bool
) -> None:
    texts = [*TEXTS, *MORE]
    p = sureness(nlp, texts)
    promise = Promise(round(float(np.sort(p)[1:3].mean()), 6), share, 0.8, 0.8)  # two of six are unsure
    set_look(nlp, "fitted", fitted_look=promise._asdict())
    expected = bare(found(nlp.pipe(texts)))
    nlp.to_disk(tmp_path)
    nlp.add_pipe(NAME, name="second", source=spacy.load(tmp_path), last=True)
    nlp.get_pipe("second").cfg["overwrite"] = True  # else nothing is left to it
    runs = count_encoded(nlp)
    docs = list(nlp.pipe(texts))
    assert bare(found(docs)) == bare(found(docs, "second")) == expected
    encoded = sum(texts for texts, _ in runs)
    assert encoded == (len(texts) if is_read_whole else 2 * 2)


def test_a_stock_listener_beside_it_gets_all_rows_in_one_call(tiny_encoder: Callable[[str], Path]) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"))
    parser = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "use_upper": False}
    size = {"extra_state_tokens": False, "hidden_width": 16, "maxout_pieces": 2}
    nlp.add_pipe("ner", config={"model": {**parser, **size, "tok2vec": STOCK_LISTENER}})
    nlp.get_pipe("ner").add_label("geo")
    train(nlp, 3)
    runs = count_encoded(nlp)
    for look in (0.0, between(sureness(nlp, TEXTS)), 1.0):
        runs.clear()
        list(set_look(nlp, look).pipe(TEXTS))
        assert [texts for texts, _ in runs] == [len(TEXTS)]
    runs.clear()
    with nlp.select_pipes(disable="ner"):
        list(set_look(nlp, 0.0).pipe(TEXTS))
    assert not runs


def test_features_of_a_store_are_looked_at_likewise(nlp: Language, tmp_path: Path) -> None:
    set_look(nlp, between(sureness(nlp, TEXTS)))
    expected = found(nlp.pipe(TEXTS))
    configure_feature_store_v1(str(tmp_path / "store"), 1.0, "float32")(nlp)
    for _ in range(2):
        again = found(nlp.pipe(TEXTS))
        assert [[span[:3] for span in doc] for doc in again] == [
            [span[:3] for span in doc] for doc in expected
        ]


def test_copies_of_documents_have_their_rows(nlp: Language) -> None:
    doc = nlp.get_pipe("transformer")(nlp.make_doc(TEXTS[0]))
    rows = copy.deepcopy(doc._.trf_data)
    assert rows.pending is None
    bytes_read = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    np.testing.assert_array_equal(
        bytes_read._.trf_data.model_output["last_hidden_state"][0], rows.rows.astype("f")
    )
    assert found([nlp.get_pipe(NAME)(bytes_read)]) == found([nlp.get_pipe(NAME)(doc)])


def test_a_long_document_is_written_without_the_encoder(nlp: Language) -> None:
    doc = nlp.get_pipe("transformer")(nlp.make_doc("Alice met Bob in Peru . " * 200))
    rows = doc._.trf_data.rows[:]
    data = pickle.dumps(doc._.trf_data)
    assert len(data) < 2 * rows.nbytes
    np.testing.assert_array_equal(pickle.loads(data).rows[:], rows)


def test_processes_threads_and_files_change_nothing(
    nlp: Language, tiny_encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    encoder = tiny_encoder("bert")
    set_look(nlp, between(sureness(nlp, TEXTS)))
    expected = found(nlp.pipe(TEXTS))
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert found(loaded.pipe(TEXTS)) == expected
    other = frozen_pipeline(encoder)
    other.add_pipe("sentencizer", first=True)
    assert found(other.from_bytes(nlp.to_bytes()).pipe(TEXTS)) == expected
    assert found(loaded.pipe(TEXTS * 2, n_process=2, batch_size=2)) == expected * 2
    results: List[Found] = []
    threads = [threading.Thread(target=lambda: results.append(found(loaded.pipe(TEXTS)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 3


def test_a_replaced_listener_looks_twice_by_itself(nlp: Language) -> None:
    set_look(nlp, between(sureness(nlp, TEXTS)))
    expected = found(nlp.pipe(TEXTS))
    nlp.replace_listeners("transformer", NAME, ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert found(nlp.pipe(TEXTS)) == expected


def test_without_hidden_state_0_there_is_no_first_look(tiny_encoder: Callable[[str], Path]) -> None:
    for layers in ([1, 2], [0]):
        nlp = frozen_pipeline(tiny_encoder("bert"), layers=layers)
        initialized(nlp)
        assert first_torch_head(nlp.get_pipe(NAME).model) is None
        assert nlp.get_pipe(NAME).look_threshold is None
        list(set_look(nlp, 0.5).pipe(TEXTS))


def test_where_no_layer_can_be_left_out_there_is_no_first_look(
    tiny_encoder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth, "_layers_of", lambda transformer, total: None)  # as in ALBERT
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 2)
    assert first_torch_head(nlp.get_pipe(NAME).model) is None


def test_no_layer_above_those_that_are_read_is_run(tiny_encoder: Callable[[str], Path]) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"), layers=[0, 1])
    train(nlp, 2)
    transformer, _ = huggingface(nlp.get_pipe("transformer").model)
    runs: List[int] = []
    for i, layer in enumerate(transformer.encoder.layer):
        layer.register_forward_pre_hook(lambda _, args, i=i: runs.append(i))
    list(set_look(nlp, 1.0).pipe(TEXTS))
    assert len(transformer.encoder.layer) > 1
    assert set(runs) == {0}


def test_version_1_of_the_model_has_none(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    nlp = spacy.blank("xx")
    add_frozen_transformer(nlp, tiny_encoder("bert"))
    model = {key: value for key, value in TAGGER.items() if key != "first_width"}
    model |= {"@architectures": "posattn-spacy.PosAttnTagger.v1", "tok2vec": FROZEN_LISTENER}
    nlp.add_pipe(NAME, config={"model": model})
    train(nlp, 12)
    expected = found(nlp.pipe(TEXTS))
    nlp.to_disk(tmp_path)
    loaded = set_look(spacy.load(tmp_path), 0.0)
    assert loaded.get_pipe(NAME).look_threshold is None
    assert found(loaded.pipe(TEXTS)) == expected


def test_both_heads_learn_in_the_same_updates(tiny_encoder: Callable[[str], Path]) -> None:
    nlp = frozen_pipeline(tiny_encoder("bert"))
    losses = [train(nlp, steps) for steps in (1, 40)]
    for key in (NAME, f"{NAME}_first"):
        assert losses[1][key] < losses[0][key] / 2


@pytest.mark.parametrize("first_width", [8, 16])
def test_beside_a_first_look_the_other_learns_what_it_learns_without(
    tiny_encoder: Callable[[str], Path], first_width: int
) -> None:
    """To the bit, dropout and lexical channel included."""
    learned = []
    for width in (0, first_width):
        fix_random_seed(0)
        nlp = frozen_pipeline(tiny_encoder("bert"), first_width=width, lexical=LEXICAL)
        train(nlp, 8, drop=0.4)
        model = nlp.get_pipe(NAME).model
        channel = model.get_ref("lexical").to_bytes()
        learned.append((channel, {name: w.numpy() for name, w in torch_head(model).state_dict().items()}))
    assert learned[0][0] == learned[1][0]
    for name, weights in learned[0][1].items():
        assert np.array_equal(weights, learned[1][1][name]), name


def test_an_update_forgets_what_was_fitted(nlp: Language) -> None:
    set_look(nlp, "fitted", fitted_look={"threshold": 0.5, "words": 0.3, "f": 0.8, "f_all": 0.8})
    assert nlp.get_pipe(NAME).look_threshold == 0.5
    examples = make_examples(nlp)
    nlp.update(examples, sgd=nlp.resume_training())
    assert nlp.get_pipe(NAME).look_threshold is None
