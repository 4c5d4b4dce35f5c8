"""What spaCy's own transformer and `ner` cost, on the same encoder."""

import time
from typing import List, Tuple

import spacy
from spacy.cli import init_config
from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.util import load_model_from_config, registry

from .ours import pipe_figures
from .training import train, train_once
from .workload import Figures, Workload

TRAINING_DOCS = 2500
WARM_UP_BATCHES = 3
# What `spacy init config --gpu` writes, and spaCy's defaults.
TRAINING = {
    "dropout": 0.1,
    "accumulate_gradient": 3,
    "before_update": None,
    "optimizer": {
        "@optimizers": "Adam.v1",
        "beta1": 0.9,
        "beta2": 0.999,
        "L2_is_weight_decay": True,
        "L2": 0.01,
        "grad_clip": 1.0,
        "use_averages": False,
        "eps": 1e-8,
        "learn_rate": 5e-5,
    },
    "batcher": {
        "@batchers": "spacy.batch_by_padded.v1",
        "discard_oversize": True,
        "size": 2000,
        "buffer": 256,
        "get_length": None,
    },
}
TRANSFORMER = {
    "@architectures": "spacy-transformers.TransformerModel.v3",
    "tokenizer_config": {"use_fast": True},
    "get_spans": {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96},
}
NER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": False,
    "nO": None,
    "tok2vec": {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    },
}


def pipe(workload: Workload) -> Figures:
    """Measure `nlp.pipe` of spaCy's own transformer and ner, on running text."""
    return pipe_figures(pipeline(workload), workload)


def pipeline(workload: Workload) -> Language:
    """RETURNS (Language): spaCy's own transformer and ner, initialized and not trained."""
    return _pipeline(workload)[0]


def cnn_pipe(workload: Workload) -> Figures:
    """Measure `nlp.pipe` of what `spacy init config --optimize efficiency` writes, after a short training."""
    config = init_config(lang="en", pipeline=["ner"], optimize="efficiency", gpu=False, silent=True)
    nlp = load_model_from_config(config, auto_fill=True)
    examples = list(Corpus(workload.train, gold_preproc=True, limit=TRAINING_DOCS)(nlp))
    nlp.initialize(lambda: examples)
    train_once(nlp, examples)
    return pipe_figures(nlp, workload)


def frozen_training(workload: Workload) -> Figures:
    """Measure training with the transformer under frozen and annotating components."""
    return _training_rate(workload, frozen=("transformer",))


def fine_tuning(workload: Workload) -> Figures:
    """Measure training with the transformer trained, too."""
    return _training_rate(workload, frozen=())


def _pipeline(workload: Workload) -> Tuple[Language, List[Example]]:
    """Make an initialized pipeline, and examples to train it on."""
    nlp = spacy.blank("en")
    nlp.batch_size = 128
    nlp.add_pipe("transformer", config={"model": {**TRANSFORMER, "name": workload.encoder}})
    nlp.add_pipe("ner", config={"model": NER})
    examples = list(Corpus(workload.train, gold_preproc=True, limit=TRAINING_DOCS)(nlp))
    nlp.initialize(lambda: examples)
    return nlp, examples


def _training_rate(workload: Workload, frozen: Tuple[str, ...]) -> Figures:
    nlp, examples = _pipeline(workload)
    settings = registry.resolve({"training": TRAINING})["training"]
    batches = [(0, batch) for batch in settings["batcher"](examples)]
    train(nlp, settings, iter(batches[:WARM_UP_BATCHES]), frozen)
    started = time.perf_counter()
    words, _ = train(nlp, settings, iter(batches[WARM_UP_BATCHES:] or batches), frozen)
    return {"words_per_s": words / (time.perf_counter() - started), "words": words}
