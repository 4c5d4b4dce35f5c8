"""What experiments and `results` leave, made up."""

from typing import Any, Dict

from posattn_benchmark.grid.sweeps import EXPERIMENTS

BY = {"processor": "a processor", "posattn-spacy": "0.1.0", "commit": "c0ffee"}


def cell(**figures: Any) -> Dict[str, Any]:
    """What was measured of a training, with the figures that charts show."""
    scores = {"span_p": 0.8, "span_r": 0.8, "span_f": 0.8, "flat_f": 0.8, "raw_text": 0.8}
    steps = [
        {"step": s, "categorical": 1 / s, "positional": 1 / s, "learn_rate": 0.1, "gradient_norm": 1.0}
        for s in (1, 2, 3)
    ]
    dev = {"loss": 0.5, "gate_recall": 0.9, "gate_precision": None, "attention_entropy": 0.4}
    return {
        **{"dev": scores, "test": scores, "dev_loss": 0.1, "gold_mask_span_f": 0.9, "seconds": 60.0},
        **{"boundaries": {"exact": 0.8, "partial": 0.8, "type": 0.8, "shifted": 7}, "confidence": None},
        **{"peak_bytes": 2e9, "words_per_s": 9.0, "trained_parameters": 3, "passes_made": 6, "threads": 2},
        "made": BY,
        **{"stale": "", "training_loss": 0.2},
        **{"share": 25, "head": {"gate_recall": 0.9, "entities_kept": 0.9}},
        "curve": [
            {"epoch": e, "step": e, "loss": 1.0, "span_f": 0.2 * e, "flat_f": 0.2 * e} for e in range(4)
        ],
        "history": {"steps": steps, "dev": [{"step": 1, **dev}, {"step": 3, **dev}]},
        **figures,
    }


MADE = {
    name: {variant: [cell(), cell()] for variant in experiment.variants}
    for name, experiment in EXPERIMENTS.items()
}
RESULTS = [
    {
        "config": "posattn",
        "split": "file-order",
        "test": {"span_f_per_type": {"geo": f, "art": f / 2}},
        "made": {**BY, "spacy": "3.8", "torch": "2.13"},
    }
    for f in (0.8, 0.9)
]
