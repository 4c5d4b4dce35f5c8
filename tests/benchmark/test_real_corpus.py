"""The published corpus if it is here (POSATTN_DATA or assets), else the sample corpus."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Tuple

import pytest
import spacy
from posattn_benchmark.gmb.known import GMB
from posattn_benchmark.gmb.locate import FoundCorpus, locate_corpus
from posattn_benchmark.gmb.splits import RANDOM42, SPLITS
from spacy.tokens import Doc

from posattn_spacy.corpora.docs import count_docs
from posattn_spacy.corpora.duplicates import duplicate_mask
from posattn_spacy.corpora.read import Documents, Format, Reading, read_documents
from posattn_spacy.corpora.sentences import Counts
from posattn_spacy.corpora.splits import FILE_ORDER, PARTS
from small_corpora import ROOT

Real = Tuple[FoundCorpus, Documents, Dict[str, Dict[str, List[Doc]]]]


@pytest.fixture(scope="module")
def real() -> Real:
    # Tests never download: port 9 discards what it is sent, and nobody listens to it.
    offline = replace(GMB, url="http://localhost:9/")
    assets = ROOT / "assets"
    source, _ = locate_corpus(None, assets, assets / "sample" / "sample.csv", known=offline)
    documents = read_documents(source.path, Reading(spacy.blank("en").vocab, "en", Format()))
    found = {name: split(documents.ids, documents.cut_off) for name, split in SPLITS.items()}
    splits = {
        name: {part: [documents.docs[i] for i in split[part]] for part in PARTS}
        for name, split in found.items()
    }
    return source, documents, splits


def test_real_corpus_is_found_where_the_data_folder_has_it(real: Real) -> None:
    folder = os.environ.get("POSATTN_DATA")
    if folder and any((Path(folder) / name).is_file() for name in GMB.file_names):
        assert real[0].kind == "gmb"
    assert real[0].kind in ("gmb", "sample")


def test_real_corpus_has_the_published_counts(real: Real) -> None:
    source, documents, _ = real
    counts = count_docs(documents.docs)
    if source.kind == "gmb":
        assert counts == GMB.counts
        assert documents.cut_off == 47_958
        assert documents.docs[-1].text == "Indian forces said they responded to the attack"
        assert sum(token.text == "None" for doc in documents.docs for token in doc) == 10
    else:
        assert counts.sentences >= 400
        assert documents.cut_off is None
        assert set(counts.types) == set(GMB.counts.types)


def test_real_corpus_has_the_published_splits(real: Real) -> None:
    source, documents, splits = real
    sizes = [len(splits[FILE_ORDER][part]) for part in PARTS]
    test = splits[RANDOM42]["test"]
    if source.kind == "gmb":
        assert sizes == [33_570, 7_194, 7_194]
        types = {"geo": 7_558, "gpe": 3_142, "org": 4_151, "per": 3_400, "tim": 4_077}
        types |= {"art": 94, "eve": 70, "nat": 40}
        assert count_docs(test) == Counts(9_592, 209_830, 22_532, types)
    else:
        assert sum(sizes) == len(documents.docs)
        assert set(count_docs(splits[FILE_ORDER]["train"]).types) == set(GMB.counts.types)


def test_real_corpus_has_the_published_duplicates(real: Real) -> None:
    source, _, splits = real
    mask = duplicate_mask(splits[FILE_ORDER]["train"], splits[FILE_ORDER]["test"])
    assert len(mask) == len(splits[FILE_ORDER]["test"])
    if source.kind == "gmb":
        assert sum(mask) == 95
    else:
        assert not all(mask)


def test_real_corpus_reads_naturally(real: Real) -> None:
    _, documents, _ = real
    for doc in documents.docs:
        assert "".join(token.text for token in doc) == doc.text.replace(" ", "")
        assert not doc.text.endswith(" ")
        assert " ." not in doc.text
        assert " 's " not in doc.text
        # Quotation marks come in pairs, each of them close to what it encloses.
        assert ' " ' not in f" {doc.text} "
