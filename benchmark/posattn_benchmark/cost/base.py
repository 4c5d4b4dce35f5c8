"""What `nlp.pipe` costs with an encoder of bert-base's size, whose weights are random: for speed alone."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Dict, Mapping

import spacy
import torch
from spacy.language import Language
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.util import load_config
from transformers import AutoTokenizer, BertConfig, BertModel

from posattn_spacy.second_look import Promise

from ..clock import pipe_rate
from ..corpora.shares import count_looks, threshold_of
from . import stock
from .training import train_once
from .workload import Figures, Workload

SHAPE: Mapping[str, int] = MappingProxyType(
    {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    }
)
DOCS = 1000  # of which words per second are measured
TRAINING_DOCS = 400


def pipe(workload: Workload) -> Figures:
    """Measure `nlp.pipe` of ours, on running text, with such an encoder.

    The head learns a little, so that it finds entities. As many words get a second look as in the finished
    pipeline.

    RETURNS (Figures): Words per second, and `all_words_per_s` with all texts encoded.
    """
    workload = _with_base(workload)
    nlp = _trained(workload)
    component: Any = nlp.get_pipe("posattn_ner")
    docs = workload.dev_docs(nlp)
    every = pipe_rate(nlp, docs)
    component.cfg["second_look"] = _threshold(nlp, workload)
    return {"words_per_s": pipe_rate(nlp, docs), "all_words_per_s": every}


def stock_pipe(workload: Workload) -> Figures:
    """Measure `nlp.pipe` of spaCy's own transformer and ner with such an encoder."""
    return stock.pipe(_with_base(workload))


def _with_base(workload: Workload) -> Workload:
    """A workload with such an encoder, which is written once, and the tokenizer that was there."""
    folder = Path(workload.folder) / "base"
    if not folder.is_dir():
        torch.manual_seed(0)
        tokenizer = AutoTokenizer.from_pretrained(workload.encoder)
        BertModel(BertConfig(vocab_size=len(tokenizer), **SHAPE)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return replace(workload, encoder=str(folder), docs=min(workload.docs, DOCS))


def _trained(workload: Workload) -> Language:
    """Our pipeline after a short training, without a feature store."""
    overrides: Dict[str, Any] = {
        **workload.overrides(),
        "initialize.after_init": None,
        "corpora.train.limit": TRAINING_DOCS,
    }
    nlp = init_nlp(load_config(workload.config, overrides=overrides))
    train_once(nlp, list(Corpus(workload.train, gold_preproc=True, limit=TRAINING_DOCS)(nlp)))
    return nlp


def _threshold(nlp: Language, workload: Workload) -> Any:
    """The threshold at which as many words get a second look as in the finished pipeline."""
    finished: Any = spacy.load(workload.model).get_pipe("posattn_ner")
    promise = Promise.read(finished.cfg)
    examples = list(islice(Corpus(workload.dev, gold_preproc=True)(nlp), workload.docs))
    component: Any = nlp.get_pipe("posattn_ner")
    counts = count_looks(nlp, component, examples)
    return threshold_of(counts, 1.0 if promise is None else promise.words)
