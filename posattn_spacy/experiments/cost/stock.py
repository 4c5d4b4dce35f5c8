"""What spaCy's own transformer and `ner` cost, on the same encoder."""

import time
from typing import Any, List, Tuple

import spacy
from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.training.batchers import minibatch_by_padded_size
from spacy.util import registry

from .ours import pipe_rate
from .workload import Figures, Workload

LABELS_FROM = 2000  # documents
TRAINING_DOCS = 2500
WARM_UP_BATCHES = 3
# As `spacy init config --gpu` and spacy-transformers have them.
BATCH_SIZE, BUFFER = 2000, 256
OPTIMIZER = {"@optimizers": "Adam.v1", "learn_rate": 5e-5}
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
    return pipe_rate(_pipeline(workload)[0], workload)


def frozen_training(workload: Workload) -> Figures:
    """Measure training with the transformer under frozen and annotating components."""
    return _training_rate(workload, exclude=["transformer"], annotates=["transformer"])


def fine_tuning(workload: Workload) -> Figures:
    """Measure training with the transformer trained, too."""
    return _training_rate(workload)


def _pipeline(workload: Workload) -> Tuple[Language, List[Example]]:
    """Make an initialized pipeline, and examples to train it on."""
    nlp = spacy.blank("en")
    nlp.batch_size = 128
    nlp.add_pipe("transformer", config={"model": {**TRANSFORMER, "name": workload.encoder}})
    nlp.add_pipe("ner", config={"model": NER})
    corpus = Corpus(workload.train, gold_preproc=True, limit=max(LABELS_FROM, TRAINING_DOCS))
    examples = list(corpus(nlp))
    nlp.initialize(lambda: examples[:LABELS_FROM])
    return nlp, examples[:TRAINING_DOCS]


def _training_rate(workload: Workload, **update: Any) -> Figures:
    nlp, examples = _pipeline(workload)
    optimizer = registry.resolve({"optimizer": OPTIMIZER})["optimizer"]
    batches = list(minibatch_by_padded_size(examples, BATCH_SIZE, buffer=BUFFER, discard_oversize=True))
    warm_up = batches[:WARM_UP_BATCHES]
    measured = batches[WARM_UP_BATCHES:] or batches

    def train(batch: List[Example]) -> None:
        nlp.update(batch, sgd=optimizer, drop=0.1, losses={}, **update)

    for batch in warm_up:
        train(batch)
    started = time.perf_counter()
    for batch in measured:
        train(batch)
    seconds = time.perf_counter() - started
    words = sum(len(example) for batch in measured for example in batch)
    return {"words_per_s": words / seconds, "words": words}
