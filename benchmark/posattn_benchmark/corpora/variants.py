"""What `init config` writes, and what it might write instead, tried on corpora of many sizes."""

from functools import partial
from statistics import mean
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Sequence

from ..grid.archive import Archive, Entry
from ..pages import Rows, bold, markdown_table
from ..provenance import TRAINING_CODE, made_sentence
from ..results import spread
from .found import Corpus
from .systems import System, ours_changed

PAGE = ("<!-- DEFAULTS: written by `spacy project run defaults` -->", "<!-- END OF DEFAULTS -->")
STUDIED = ("gmb:100", "gmb:335", "gmb:1700", "gmb:8400", "wnut17", "ncbi-disease")
AS_WRITTEN = "as written"
SIZE = "training.batcher.size"
LAYERS = "components.transformer.model.layers"
RATE = "training.optimizer.learn_rate.initial_rate"
HEAD = "components.posattn_ner.model"


def _variant(
    title: str, changes: Mapping[str, Any] = MappingProxyType({}), passes: int | None = None
) -> System:
    return System(
        title,
        title,
        partial(ours_changed, changes=changes, passes=passes),
        made_of=(TRAINING_CODE,),
        on_test=False,
    )


VARIANTS: Dict[str, System] = {
    AS_WRITTEN: _variant("as `init config` writes it"),
    "fixed": _variant("three layers and batches of 4,096 tokens, as up to 0.1", {SIZE: 4096, LAYERS: 3}),
    **{f"batch-{n}": _variant(f"batches of {n:,} tokens", {SIZE: n}) for n in (512, 1024, 2048, 4096)},
    **{f"passes-{n}": _variant(f"{n} passes", passes=n) for n in (3, 4, 6, 8, 12)},
    "layers-3": _variant("three layers", {LAYERS: 3}),
    "layers-all": _variant("all layers", {LAYERS: None}),
    **{f"dropout-{rate}": _variant(f"dropout {rate}", {"training.dropout": rate}) for rate in (0.3, 0.6)},
    **{f"rate-{rate:g}": _variant(f"learning rate {rate:g}", {RATE: rate}) for rate in (1e-3, 4e-3)},
    "wide": _variant("a head twice as wide", {f"{HEAD}.hidden_width": 512}),
    "blocks-2": _variant("a second block", {f"{HEAD}.depth": 2}),
    "rows": _variant(
        "four times the lexical rows", {f"{HEAD}.lexical.rows": [20_000, 4_000, 10_000, 10_000]}
    ),
    "word-dropout-0.5": _variant("word dropout 0.5", {f"{HEAD}.lexical.word_dropout": 0.5}),
    "no-augmenter": _variant("no augmenter", {"corpora.train.augmenter": None}),
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


def defaults_markdown(corpora: Sequence[Corpus], archives: Mapping[str, Archive]) -> str:
    """Write the part of docs/defaults.md that is made; arguments as of `variant_rows`."""
    header = ("", *(corpus.title for corpus in corpora), "CPU minutes")
    parts: List[str] = []
    for title, key in (("Span F1 on dev", "span_f"), ("Macro F1 on dev", "span_macro_f")):
        parts += [
            f"### {title}",
            markdown_table(header, variant_rows(list(VARIANTS), corpora, archives, key)),
        ]
    trainings = [each for archive in archives.values() for each in archive.values()]
    return "\n\n".join([*parts, made_sentence([each["made"] for each in trainings])])
