"""Documents and tokens that are longer than anybody expects."""

import time
from pathlib import Path
from statistics import median
from typing import Callable, Dict, List

import torch
from spacy.language import Language
from spacy.util import fix_random_seed
from transformers import AutoTokenizer, BertConfig, BertModel

from pipelines import LEXICAL, TEXTS, frozen_pipeline, train

from .measuring import peak_of
from .running import Found, Outcome, Setting

LIMIT = 2.0  # GB
RATIO = 3.3
REPEATS = 5
# The rows of a document weigh what they weigh with the shipped encoder, three hidden states of this width,
# but there is little to compute.
WIDE = {"hidden_size": 384, "num_hidden_layers": 2, "num_attention_heads": 12, "intermediate_size": 16}
LABELS = ["art", "eve", "geo", "gpe", "nat", "org", "per", "tim"]
PIECES = 512
WORDS = " ".join(TEXTS).replace(".", "").split()


def long(setting: Setting) -> Outcome:
    """Measure the memory of each case, and how time grows; the reach is the number of tokens."""
    cases = list(CASES)

    def measure(item: int) -> Found:
        if item == len(cases):
            return Found({"time of 60,000 ÷ 20,000 tokens": setting.alone(time_ratio, setting)})
        return Found({f"GB, {cases[item]}": setting.alone(peak_of_case, setting, cases[item])})

    measured = setting.go_through(len(cases) + 1, measure).counts
    held = all(value < (RATIO if name.startswith("time") else LIMIT) for name, value in measured.items())
    return Outcome(setting.reach, held, {name: round(value, 2) for name, value in measured.items()})


def one_document(nlp: Language, n: int) -> None:
    """All tokens in one document, which has no full stop."""
    assert len(nlp(text_of(n))) == n


def one_token(nlp: Language, n: int) -> None:
    """One token of ten times as many characters, as a file in base64, between others."""
    assert len(nlp(f"Alice Smith sent {'iVBORw0KGg' * n} to Berlin")) == 6


def one_of_many(nlp: Language, n: int) -> None:
    """A thousand documents, the fifth of which is such a document."""
    texts = [text_of(n) if i == 4 else text_of(i % 40) for i in range(1000)]
    assert sum(map(len, nlp.pipe(texts))) == sum(len(text.split()) for text in texts)


def one_of_many_tokens(nlp: Language, n: int) -> None:
    """A thousand documents, the fifth of which has such a token."""
    texts = [f"{text_of(i % 40)} {'iVBORw0KGg' * n if i == 4 else ''}".strip() for i in range(1000)]
    assert sum(map(len, nlp.pipe(texts))) == sum(len(text.split()) for text in texts)


def many_long_documents(nlp: Language, n: int) -> None:
    """As many tokens in a batch of long documents."""
    texts = [text_of(n // 100)] * 100
    assert sum(map(len, nlp.pipe(texts))) == n // 100 * 100


CASES: Dict[str, Callable[[Language, int], None]] = {
    "one document": one_document,
    "one token": one_token,
    "1,000 documents": one_of_many,
    "1,000 documents with a token": one_of_many_tokens,
    "100 documents": many_long_documents,
}


def text_of(n: int) -> str:
    """RETURNS (str): A text of words without a full stop."""
    return " ".join(WORDS[i % len(WORDS)] for i in range(n))


def peak_of_case(setting: Setting, name: str) -> float:
    """RETURNS (float): GB that a case takes above the loaded pipeline, which has read a little."""
    nlp = loaded(setting)
    return peak_of(lambda: CASES[name](nlp, setting.reach)) / 1e9


def time_ratio(setting: Setting) -> float:
    """RETURNS (float): How many times as long three times as many tokens take; the median of several."""
    nlp = loaded(setting)
    lengths = [setting.reach // 50, 3 * setting.reach // 50]
    seconds: List[List[float]] = []
    for _ in range(REPEATS):
        took = []
        for n in lengths:
            started = time.process_time()
            one_document(nlp, n)
            took.append(time.process_time() - started)
        seconds.append(took)
    return median(longer / shorter for shorter, longer in seconds)


def loaded(setting: Setting) -> Language:
    """RETURNS (Language): A pipeline as it is shipped, that has read a little."""
    fix_random_seed(0)
    nlp = frozen_pipeline(wide_encoder(setting), lexical=LEXICAL)
    for label in LABELS:
        nlp.get_pipe("posattn_ner").add_label(label)
    train(nlp, 2)
    nlp.max_length = 10 * setting.reach + 1000
    assert len(nlp(text_of(100))) == 100
    return nlp


def wide_encoder(setting: Setting) -> Path:
    """Write a random encoder that is as wide as a real one."""
    folder = setting.folder / "wide"
    if not (folder / "config.json").exists():
        tokenizer = AutoTokenizer.from_pretrained(setting.encoder("bert"), model_max_length=PIECES)
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(tokenizer),
            max_position_embeddings=PIECES,
            pad_token_id=tokenizer.pad_token_id,
            **WIDE,
        )
        tokenizer.save_pretrained(folder)
        BertModel(config).save_pretrained(folder)
    return folder
