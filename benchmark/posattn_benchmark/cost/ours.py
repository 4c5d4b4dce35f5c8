"""What our encoding, training and prediction cost."""

import json
import sys
import tempfile
import time
from dataclasses import replace
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Dict, Iterator, List, Mapping
from unittest.mock import patch

import numpy as np
import spacy
import torch
from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_train_batches
from spacy.util import load_config, registry, resolve_dot_names
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from posattn_spacy import learning_pipe
from posattn_spacy.attention import PositionalTagger
from posattn_spacy.frozen import architecture
from posattn_spacy.frozen.callback import FeatureStoreCallback, find_frozen_transformers
from posattn_spacy.frozen.warming import warm
from posattn_spacy.layout import Layout
from posattn_spacy.model import torch_head, torch_heads
from posattn_spacy.precision import precision
from posattn_spacy.schedule import measure_pass, scaled_schedule

from ..clock import Clock, pipe_rate, timed_rate, warm_up
from .machine import frozen_encoder, wait_for
from .training import Batches, train
from .workload import Figures, Workload, count_words

PAD_RATIOS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9)
COUNTED_STEPS = 40
CURVE_REPEATS = 5
CURVE_DOCS = 4000


def encoding(workload: Workload) -> Figures:
    """Measure our pass over documents, into a new feature store, until everything is written."""
    nlp = spacy.blank("en")
    encoder, docs = frozen_encoder(workload), workload.dev_docs(nlp)
    pipe: Any = nlp.add_pipe("transformer")
    pipe.model = encoder
    encoder.predict(docs[:64])
    docs = sorted(docs, key=len, reverse=True)
    with tempfile.TemporaryDirectory(dir=workload.folder) as folder:
        store = FeatureStoreCallback(Path(folder), max_gb=1000, dtype="float16").attach(nlp)[0]
        started = time.perf_counter()
        for _ in warm([encoder], [store], docs):
            pass
        seconds = time.perf_counter() - started
        store.close()
    return {"words_per_s": count_words(docs) / seconds}


def pipe(workload: Workload, changes: Mapping[str, Any] = MappingProxyType({})) -> Figures:
    """Measure `nlp.pipe` of our finished pipeline, on running text.

    workload (Workload): Has the pipeline.
    changes (Mapping[str, Any]): Settings of its config that are to be others.
    RETURNS (Figures): Words per second.
    """
    return pipe_figures(spacy.load(workload.model, config=dict(changes)), workload)


def pipe_figures(nlp: Language, workload: Workload) -> Figures:
    """RETURNS (Figures): Words of a workload's documents per second that a pipeline's `nlp.pipe` makes."""
    return {"words_per_s": pipe_rate(nlp, workload.dev_docs(nlp))}


def pipe_apart(workload: Workload) -> Figures:
    """Measure what `nlp.pipe` takes apart from encoder and heads, beside what every pipeline takes.

    RETURNS (Figures): Microseconds a word: `own`, and `spacy` of its tokenizer and sentencizer alone.
    """
    nlp = spacy.load(workload.model)
    bare = spacy.blank(str(nlp.lang))
    bare.add_pipe("sentencizer")
    clock = Clock()
    with patch.object(architecture, "encode_pieces", clock.timed("encoder", architecture.encode_pieces)):
        pipe: Any = nlp.get_pipe("posattn_ner")
        for layer in torch_heads(pipe.model):
            layer._func = clock.timed("heads", layer._func)
        docs = workload.dev_docs(nlp)
        warm_up(nlp, docs)
        clock.seconds.clear()
        per_word = 1 / timed_rate(nlp, docs)
    apart = sum(clock.seconds.values()) / count_words(docs)
    return {"own": 1e6 * (per_word - apart), "spacy": 1e6 / pipe_rate(bare, docs)}


def training_command(workload: Workload, output: Path) -> List[str]:
    """Make the command of a whole training with our config.

    workload (Workload): Says what to train on, and for how long.
    output (Path): Folder for the trained pipeline.
    RETURNS (List[str]): `spacy train` with its options.
    """
    config = load_config(workload.config, overrides=workload.overrides())
    schedule = scaled_schedule(config, measure_pass(config).batches, workload.epochs)
    options = {**workload.overrides(), **schedule}
    command = [sys.executable, "-m", "spacy", "train", workload.config, "--output", str(output)]
    command += ["--gpu-id", str(workload.gpu_id)]
    return command + [part for key, value in options.items() for part in (f"--{key}", str(value))]


def trained_scores(output: Path) -> Figures:
    """RETURNS (Figures): What `spacy train` found for its best pipeline on the development documents."""
    scores = json.loads((output / "model-best" / "meta.json").read_text(encoding="utf-8"))["performance"]
    return {"dev_span_f": scores["ents_f"], "dev_flat_f": scores["flat_f"]}


def head_epoch(workload: Workload, changes: Mapping[str, Any] = MappingProxyType({})) -> Figures:
    """Measure an epoch of our training over stored features, checkpoints included.

    It runs in spaCy's own training loop. What spaCy adds is what is left of the time without the features,
    the heads, their losses and the optimizer. As in every epoch but the first, the features have been read
    before.

    workload (Workload): What to train on.
    changes (Mapping[str, Any]): Settings of the config that are to be others.
    RETURNS (Figures): Words per second, and where the time goes.
    """
    nlp = init_nlp(load_config(workload.config, overrides={**workload.overrides(), **changes}))
    settings = registry.resolve(nlp.config.interpolate()["training"])
    epochs = _epochs(nlp, settings)
    clock = Clock()
    _put_clocks(nlp, clock)
    with FlopCounterMode(display=False) as counter:
        counted_words, _ = train(nlp, settings, islice(next(epochs), COUNTED_STEPS))
    for _, batch in next(epochs):
        for transformer in find_frozen_transformers(nlp):
            transformer.predict([example.predicted for example in batch])
    clock.seconds.clear()
    started = time.perf_counter()
    words, steps = train(nlp, settings, next(epochs))
    for checkpoint in ("model-last", "model-best"):
        nlp.to_disk(Path(workload.folder) / checkpoint)
    seconds = time.perf_counter() - started
    return {
        "words_per_s": words / seconds,
        "seconds": seconds,
        "steps": steps,
        "spacy_share": 1 - sum(clock.seconds.values()) / seconds,
        "flops_per_word": counter.get_total_flops() / counted_words,
        **{f"{name}_ms_per_step": spent / steps * 1000 for name, spent in clock.seconds.items()},
    }


def _put_clocks(nlp: Language, clock: Clock) -> None:
    head: Any = nlp.get_pipe("posattn_ner")
    for transformer in find_frozen_transformers(nlp):
        transformer.attrs["encode"] = clock.timed("features", transformer.attrs["encode"])
    head.model._func = clock.timed_layer(head.model._func)
    head.finish_update = clock.timed("optimizer", head.finish_update)
    learning_pipe.objective = clock.timed("loss", learning_pipe.objective)


def _epochs(nlp: Language, settings: Dict[str, Any]) -> Iterator[Batches]:
    """The batches of one epoch after another, as `spacy train` makes them."""
    config = nlp.config.interpolate()
    (corpus,) = resolve_dot_names(config, [config["training"]["train_corpus"]])
    batches = create_train_batches(nlp, corpus, settings["batcher"], max_epochs=0)
    return (epoch for _, epoch in groupby(batches, key=itemgetter(0)))


def mask_curve(workload: Workload) -> Figures:
    """Measure attention and feed-forward, forward and backward, without mask and with the hard mask.

    RETURNS (Figures): Milliseconds per batch, by mask and share of tokens that are left out.
    """
    torch.manual_seed(0)
    config = load_config(workload.config, overrides=workload.overrides(), interpolate=True)
    config["initialize"]["after_init"] = None
    config["corpora"]["train"]["limit"] = CURVE_DOCS
    nlp = init_nlp(config)
    settings = registry.resolve(nlp.config.interpolate()["training"])
    batches = [
        torch.tensor([len(example.predicted) for example in batch])
        for _, batch in next(_epochs(nlp, settings))
    ]
    pipe: Any = nlp.get_pipe("posattn_ner")
    head: Any = torch_head(pipe.model)
    modes = {"none": ("none", 0.0), **{f"hard_{ratio}": ("hard", ratio) for ratio in PAD_RATIOS}}
    times: Dict[str, List[float]] = {name: [] for name in modes}
    for lengths in batches:
        for name, (mask, ratio) in modes.items():
            head.config = replace(head.config, mask=mask, pad_ratio=ratio)
            times[name].append(_attention_ms(head, lengths.to(workload.device), settings["dropout"]))
    return {name: float(np.mean(each)) for name, each in times.items()}


def _attention_ms(head: PositionalTagger, lengths: Tensor, drop: float) -> float:
    """Median time of a step through mask and attention blocks, packing included."""
    device = lengths.device
    z = torch.randn(int(lengths.sum()), head.config.hidden_width, device=device, requires_grad=True)
    gate = torch.randn(len(z), device=device, requires_grad=True)
    layout = Layout.from_lengths(lengths)
    times = []
    for _ in range(CURVE_REPEATS):
        started = time.perf_counter()
        with precision(device, head.config.mixed_precision):
            h = head.attend(z, gate, layout, drop)
        h.sum().backward()
        wait_for(device)
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1000
