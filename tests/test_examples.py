"""What the pages show as programs runs as it stands there, with a pipeline and texts of one's own."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List

import httpx
import pyarrow.parquet as pq
import pytest
import spacy

from pipelines import TEXTS, saved_pipeline
from processes import ROOT

THREADS = 8
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_pipeline(tmp_path_factory.mktemp("model"))


def program(page: str, with_word: str, model: Path) -> str:
    """The program of a page that has a word in it, with another pipeline."""
    shown = [code for code in PROGRAM.findall((ROOT / page).read_text()) if with_word in code]
    (code,) = shown
    return code.replace('"en_posattn_ner"', repr(str(model)))


def found_in(nlp: spacy.Language, text: str) -> List[Dict[str, Any]]:
    doc = nlp(text)
    scores = doc.spans["posattn_ner"].attrs["scores"].tolist()
    return [
        {"start": ent.start_char, "end": ent.end_char, "label": ent.label_, "score": score}
        for ent, score in zip(doc.ents, scores, strict=True)
    ]


def test_the_web_service_answers_eight_threads(model: Path, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(program("docs/service.md", "FastAPI", model), encoding="utf-8")
    serve = [sys.executable, "-m", "uvicorn", "service:app", "--port", "0"]
    nlp = spacy.load(model)
    texts = [" ".join(TEXTS * (1 + i % 40)) for i in range(64)]  # of mixed size
    with subprocess.Popen(serve, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        says = iter(server.stderr.readline, "")
        url = next(found[0] for line in says if (found := re.search(r"http://\S+\d", line)))
        with httpx.Client(base_url=url, timeout=60) as client, ThreadPoolExecutor(THREADS) as pool:

            def ask(text: str) -> Any:
                return client.post("/entities", json={"text": text}).raise_for_status().json()

            answers = list(pool.map(ask, texts))
            refused = client.post("/entities", json={"text": "a" * 100_001})
            odd = client.post("/entities", content=b'{"text": "\\ud800"}')
        server.terminate()
        server.communicate()
    assert refused.status_code == odd.status_code == 422
    for text, answer in zip(texts, answers, strict=True):
        expected = found_in(nlp, text)
        assert [{**each, "score": 0} for each in answer] == [{**each, "score": 0} for each in expected]
        scores = [[each["score"] for each in of] for of in (answer, expected)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_spark_finds_what_the_pipeline_finds(model: Path, tmp_path: Path) -> None:
    (tmp_path / "spark.py").write_text(program("docs/cluster.md", "pyspark", model), encoding="utf-8")
    rows: List[Dict[str, Any]] = [{"id": i, "text": text} for i, text in enumerate(TEXTS * 5)]
    (tmp_path / "texts").mkdir()
    odd = [{"id": len(rows), "text": None}]
    lines = "\n".join(map(json.dumps, [*rows, *odd]))
    (tmp_path / "texts" / "a.json").write_text(f"{lines}\nno record", encoding="utf-8")
    local = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_SUBMIT_ARGS": "--master local[2] pyspark-shell"}
    ran = subprocess.run(
        [sys.executable, "spark.py"],
        cwd=tmp_path,
        env={**os.environ, **local},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = sorted(
        pq.read_table(tmp_path / "entities").to_pylist(), key=lambda each: (each["id"], each["start"])
    )
    nlp = spacy.load(model)
    expected = [{"id": row["id"], **each} for row in rows for each in found_in(nlp, str(row["text"]))]
    for one, other in zip(found, expected, strict=True):
        assert one == {**other, "score": pytest.approx(other["score"], abs=1e-6)}
