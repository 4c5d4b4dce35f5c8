"""What a package says about itself."""

from typing import Any, Dict

import pytest
from posattn_benchmark.gmb.packaging import package_meta

META = {
    "lang": "en",
    "labels": {"transformer": [], "posattn_ner": ["geo", "per"]},
    "performance": {"ents_f": 0.8},
}


def measured(source: str) -> Dict[str, Any]:
    scores = {"span_f": 0.7}
    return {
        **{"source": source, "split": "file-order"},
        **{"test": scores, "test_without_duplicates": scores},
    }


def test_published_corpus_is_named_with_its_licence_and_limits() -> None:
    meta = package_meta(META, measured("gmb"), "all-MiniLM-L6-v2")
    assert [source["license"] for source in meta["sources"]] == ["ODbL 1.0 / DbCL 1.0", "Apache-2.0"]
    assert "silver" in meta["description"]
    assert "geo, per" in meta["description"]
    assert meta["license"] == "MIT"
    assert meta["performance"]["ents_f"] == 0.8
    assert meta["performance"]["test"]["span_f"] == 0.7


def test_package_of_an_own_corpus_claims_nothing_of_the_published_one() -> None:
    meta = package_meta(META, measured("own"), "/home/someone/secret/encoder")
    text = str(meta)
    assert "Groningen" not in text
    assert "silver" not in text
    assert "secret" not in text
    assert "encoder (frozen encoder)" in text
    assert "license" not in meta


@pytest.mark.parametrize("source", ["gmb", "sample", "own"])
def test_meta_of_the_pipeline_stays(source: str) -> None:
    meta = package_meta(META, measured(source), "all-MiniLM-L6-v2")
    assert meta["lang"] == "en"
    assert meta["labels"] == META["labels"]
