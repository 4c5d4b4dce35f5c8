"""What `init config` writes, and what it might write instead, tried on corpora of many sizes."""

from functools import partial
from pathlib import Path
from statistics import mean
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import spacy
from spacy.util import load_config

from posattn_spacy.corpora.docs import read_docs
from posattn_spacy.gold import count_labels
from posattn_spacy.schedule import LEAST_WORDS, own_passes
from posattn_spacy.starting.fitted import (
    ALL_LAYERS_GB,
    ALL_LAYERS_WORDS,
    LARGE,
    LAYERS,
    SIZE,
    SMALL_BATCH,
    SMALL_PASSES,
    TEMPLATE,
)

from ..grid.archive import Archive, Entry
from ..grid.sweeps import AUGMENTER, lower_case
from ..pages import Rows, bold, markdown_table
from ..provenance import TRAINING_CODE
from ..results import spread
from .found import Corpus
from .systems import Changes, Command, System, ours_as_before, ours_changed
from .training import how_made

PAGE = ("<!-- DEFAULTS: written by `spacy project run defaults` -->", "<!-- END OF DEFAULTS -->")
STUDIED = ("gmb:100", "gmb:335", "gmb:1700", "gmb:8400", "wnut17", "ncbi-disease")
AS_WRITTEN = "as written"
SEEDS_AS_WRITTEN = 3  # they show what seeds differ, beside which the differences between rows are seen
PATIENCE = (1, 2, 3)
RULES = (f"below {LARGE:,} tokens", f"below {ALL_LAYERS_WORDS:,}")
LEFT_OUT_HEADER = ("left out", "chosen on the others", "span F1", "as `init config` writes it", "difference")
DROPOUT = "training.dropout"
RATE = "training.optimizer.learn_rate.initial_rate"
NER = "components.posattn_ner"


def rare_weights(train: Path) -> Mapping[str, Any]:
    """Weigh labels by the square root of how much rarer they are than the most frequent one.

    train (Path): Training documents.
    RETURNS (Mapping[str, Any]): The setting.
    """
    counts = count_labels(read_docs(train, spacy.blank("xx").vocab).docs)
    return {f"{NER}.label_weights": {label: (max(counts.values()) / n) ** 0.5 for label, n in counts.items()}}


def _variant(title: str, command: Command) -> System:
    return System(title, title, command, made_of=(TRAINING_CODE,), on_test=False)


def _with(title: str, changes: Changes = MappingProxyType({}), words: float = 1.0) -> System:
    return _variant(title, partial(ours_changed, changes=changes, words=words))


VARIANTS: Dict[str, System] = {
    AS_WRITTEN: _with("as `init config` writes it"),
    "before": _variant("as it wrote it in version 0.1", ours_as_before),
    **{f"batch-{n}": _with(f"batches of {n:,} tokens", {SIZE: n}) for n in (512, 2048, 4096)},
    **{f"words-{factor:g}": _with(f"{factor:g} times as many passes", {}, factor) for factor in (0.5, 2.0)},
    "layers-3": _with("three layers", {LAYERS: 3}),
    "layers-all": _with("all layers", {LAYERS: None}),
    **{f"dropout-{rate}": _with(f"dropout {rate}", {DROPOUT: rate}) for rate in (0.3, 0.6)},
    **{f"rate-{rate:g}": _with(f"learning rate {rate:g}", {RATE: rate}) for rate in (1e-3, 4e-3)},
    "no-augmenter": _with("no augmenter", {AUGMENTER: None}),
    "lower-case": _with("a tenth of the texts in lower case, instead of split names", lower_case(0.1)),
    "lower-case-4": _with("a tenth in lower case, four variants of a text", lower_case(0.1, 4)),
    "lower-case-30": _with("three tenths in lower case, four variants of a text", lower_case(0.3, 4)),
    "rows": _with(
        "four times the lexical rows", {f"{NER}.model.lexical.rows": [20_000, 4_000, 10_000, 10_000]}
    ),
    "word-dropout-0.5": _with("word dropout 0.5", {f"{NER}.model.lexical.word_dropout": 0.5}),
    "rare": _with("weights for rare labels", rare_weights),
    "wide": _with("a head twice as wide", {f"{NER}.model.hidden_width": 512}),
    "blocks-2": _with("a second block", {f"{NER}.model.depth": 2}),
}


def variant_rows(
    names: Sequence[str], corpora: Sequence[Corpus], archives: Mapping[str, Archive], key: str
) -> Rows:
    """Show one score of each variant on dev of each corpus.

    names (Sequence[str]): Of the variants.
    corpora (Sequence[Corpus]): The corpora.
    archives (Mapping[str, Archive]): Their figures by their names.
    key (str): The score, such as "span_f".
    RETURNS (Rows): A row for each variant that was tried: its scores, and the CPU minutes of all corpora
        together where it was tried on all.
    """
    rows: Rows = []
    for name in names:
        tried = [_seeds(archives[corpus.name], name) for corpus in corpora]
        if any(tried):
            scores = (spread([made["dev"][key] for made in seeds]) if seeds else "–" for seeds in tried)
            minutes = sum(mean(made["cpu_seconds"] for made in seeds) for seeds in tried if seeds) / 60
            row = (VARIANTS[name].title, *scores, f"{minutes:.1f}" if all(tried) else "–")
            rows.append(bold(row) if name == AS_WRITTEN else row)
    return rows


def _seeds(archive: Archive, name: str) -> List[Entry]:
    return [made for made in archive.values() if made["system"] == name]


def left_out_rows(corpora: Sequence[Corpus], archives: Mapping[str, Archive]) -> Rows:
    """Show what it costs on each corpus to choose without it; arguments as of `variant_rows`.

    RETURNS (Rows): A row for each corpus: the variant with the best mean span F1 over the others, what it
        scores here, what `init config` scores here, and the difference.
    """
    scores = {
        name: [_dev(_seeds(archives[corpus.name], name)) for corpus in corpora]
        for name in VARIANTS
        if all(_seeds(archives[corpus.name], name) for corpus in corpora)
    }
    rows: Rows = []
    for i, corpus in enumerate(corpora if scores else ()):
        chosen = max(scores, key=lambda name: sum(scores[name]) - scores[name][i])
        here, written = scores[chosen][i], scores[AS_WRITTEN][i]
        title = VARIANTS[chosen].title
        rows.append((corpus.title, title, f"{here:.3f}", f"{written:.3f}", _signed(here - written)))
    return rows


def patience_rows(corpora: Sequence[Corpus], archives: Mapping[str, Archive]) -> Rows:
    """Show what stopping early would do to what `init config` writes; arguments as of `variant_rows`.

    RETURNS (Rows): A row for each patience in evaluations: the change of span F1 on each corpus, and the
        share of the updates that would be made.
    """
    rows: Rows = []
    for patience in PATIENCE:
        changes: List[str] = []
        shares: List[float] = []
        for corpus in corpora:
            stopped = [stop(made["curve"], patience) for made in _seeds(archives[corpus.name], AS_WRITTEN)]
            shares += [share for _, share in stopped]
            changes.append(_signed(mean(change for change, _ in stopped)) if stopped else "–")
        rows.append((str(patience), *changes, f"{mean(shares):.0%}" if shares else "–"))
    return rows


def stop(curve: Sequence[Mapping[str, Any]], patience: int) -> Tuple[float, float]:
    """Find where a training would have stopped.

    curve (Sequence[Mapping[str, Any]]): Its evaluations.
    patience (int): After how many evaluations without a better one it stops.
    RETURNS (Tuple[float, float]): What its best span F1 would have lost, not above 0, and the share of the
        updates that it would have made.
    """
    scores = [each["span_f"] or 0.0 for each in curve]
    best = 0
    for i, score in enumerate(scores):
        best = i if score > scores[best] else best
        if i - best >= patience:
            break
    return scores[best] - max(scores), curve[i]["step"] / curve[-1]["step"]


def _dev(seeds: Sequence[Entry]) -> float:
    return mean(made["dev"]["span_f"] or 0.0 for made in seeds)


def _signed(change: float) -> str:
    return f"{change:+.3f}".replace("-", "−")


def defaults_markdown(corpora: Sequence[Corpus], archives: Mapping[str, Archive]) -> str:
    """Write the part of docs/defaults.md that is made; arguments as of `variant_rows`."""
    titles = [corpus.title for corpus in corpora]
    parts = [
        *("## The rules", markdown_table(("", "by default", *RULES), rule_rows())),
        *("## Span F1 on dev", _table(titles, variant_rows(list(VARIANTS), corpora, archives, "span_f"))),
        *(
            "## Macro F1 on dev",
            _table(titles, variant_rows(list(VARIANTS), corpora, archives, "span_macro_f")),
        ),
        "## Chosen without a corpus",
        "What would have been chosen on the other five, and what that costs on the one left out:",
        markdown_table(LEFT_OUT_HEADER, left_out_rows(corpora, archives)),
        "## Stopping early",
        "What `training.patience` would change in span F1, after so many evaluations without a better one:",
        markdown_table(("evaluations", *titles, "updates made"), patience_rows(corpora, archives)),
        how_made(archives, VARIANTS),
    ]
    return "\n\n".join(filter(None, parts))


def rule_rows() -> Rows:
    """RETURNS (Rows): What follows from the corpus: on a large one, on fewer tokens, and on still fewer."""
    shipped = load_config(TEMPLATE)
    training, layers = shipped["training"], shipped["components"]["transformer"]["model"]["layers"]
    updates = -(-LEAST_WORDS // SMALL_BATCH)
    small = f"{SMALL_PASSES}, at least {updates} updates"
    all_layers = f"all, if their features take up to {ALL_LAYERS_GB:.0f} GB"
    return [
        ("padded tokens in a batch", f"{training['batcher']['size']:,}", *[f"{SMALL_BATCH:,}"] * 2),
        ("passes", f"{own_passes(shipped)}", small, small),
        ("encoder layers that are read", f"{layers}", all_layers, f"{layers}"),
    ]


def _table(titles: Sequence[str], rows: Rows) -> str:
    return markdown_table(("", *titles, "CPU minutes"), rows)
