"""The figures as tables: for the terminal, and for docs/cost.md."""

from typing import Any, Dict, List, Sequence

from ..pages import Rows, markdown_table
from ..provenance import made_sentence
from .ratios import is_slower, stock_seconds

MARKERS = ("<!-- COST: written by `spacy project run cost` -->", "<!-- END OF COST -->")
README_COST = {"epochs": 12, "docs": 4000, "gpu": None}  # what is shown there
LEAST_REPEATS = 2
RATIO_HEADER = ("ratio", "measured", "lowest", "highest", "goal", "")
SPEED_HEADER = ("", "words/s")
CHANGED_HEADER = ("ratio", "now", "kept", "")
SPEEDS = {
    "raw_forward": "Hugging Face forward pass of the encoder alone, float32",
    "raw_forward_bfloat16": "the same in bfloat16",
    "stock_pipe": "`nlp.pipe`, spaCy's transformer and ner",
    "cnn_pipe": "`nlp.pipe`, spaCy's ner on its own CNN",
    "pipe_float32_all": "`nlp.pipe`, posattn-spacy, float32, all encoded",
    "pipe_float32": "`nlp.pipe`, posattn-spacy, float32",
    "pipe_all": "the same in bfloat16, all encoded",
    "pipe": "the same in bfloat16, as shipped",
    "stock_base_pipe": "`nlp.pipe`, encoder of bert-base's size, spaCy's transformer and ner",
    "base_pipe": "the same, posattn-spacy",
    "stock_fine_tuning": "training, spaCy's transformer (fine-tuned) and ner",
    "stock_frozen_training": "training, spaCy's transformer (frozen) and ner",
    "encoding": "encoding into the feature store, once per text",
    "head_epoch": "training, posattn-spacy, features in the store",
}
IN_BFLOAT16 = ("raw_forward_bfloat16", "pipe", "pipe_all")  # which say nothing on other machines
TIME_HEADER = ("whole training", "minutes", "")


def ratio_rows(cost: Dict[str, Any]) -> Rows:
    """RETURNS (Rows): The ratios in the order of `RATIO_HEADER`."""
    table: Rows = []
    for row in cost["ratios"]:
        numbers = (row["median"], min(row["values"]), max(row["values"]))
        goal, verdict = "–", ""
        if row["goal"] is not None:
            goal = f"{'≥' if row['at_least'] else '≤'} {row['goal']:g}{row['unit']}"
            verdict = "✓" if row["reached"] else "✗"
        table.append((row["name"], *(f"{number:.2f}{row['unit']}" for number in numbers), goal, verdict))
    return table


def changed_rows(now: Sequence[Dict[str, Any]], before: Sequence[Dict[str, Any]]) -> Rows:
    """Show what has become slower.

    now (Sequence[Dict[str, Any]]): Ratios, as `compute` gives them.
    before (Sequence[Dict[str, Any]]): Those that were kept.
    RETURNS (Rows): Each ratio, in the order of `CHANGED_HEADER`.
    """
    kept = {row["name"]: row for row in before}
    table: Rows = []
    for row in now:
        old = kept.get(row["name"])
        was = "–" if old is None else f"{old['median']:.2f}{old['unit']}"
        verdict = "slower" if old is not None and is_slower(row, old) else ""
        table.append((row["name"], f"{row['median']:.2f}{row['unit']}", was, verdict))
    return table


def speed_rows(cost: Dict[str, Any]) -> Rows:
    """RETURNS (Rows): Words per second of each system, in the order of `SPEED_HEADER`."""
    return [(name, f"{cost['medians'][system]['words_per_s']:,.0f}") for system, name in speeds(cost).items()]


def speeds(cost: Dict[str, Any]) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): The names of the systems that have words per second on this machine."""
    fast = cost["setting"]["bfloat16"]
    return {system: name for system, name in SPEEDS.items() if fast or system not in IN_BFLOAT16}


def training_minutes(cost: Dict[str, Any]) -> Dict[str, float]:
    """Find the time of a whole training; that of the stock systems is extrapolated.

    cost (Dict[str, Any]): What the cost command wrote.
    RETURNS (Dict[str, float]): Minutes by the name of the system.
    """
    medians, setting = cost["medians"], cost["setting"]
    return {
        "fine-tuned, spaCy": stock_seconds(medians, setting, "stock_fine_tuning") / 60,
        "frozen, spaCy": stock_seconds(medians, setting, "stock_frozen_training") / 60,
        "posattn-spacy, store cold": medians["training_cold"]["seconds"] / 60,
        "posattn-spacy, store warm": medians["training_warm"]["seconds"] / 60,
    }


def time_rows(cost: Dict[str, Any]) -> Rows:
    """RETURNS (Rows): The time of a whole training with each system, in the order of `TIME_HEADER`."""
    notes = ["extrapolated from its words/s", "extrapolated from its words/s", "measured", "measured"]
    minutes = training_minutes(cost).items()
    return [(name, f"{time:.1f}", note) for (name, time), note in zip(minutes, notes, strict=True)]


def describe(cost: Dict[str, Any]) -> str:
    """RETURNS (str): Under what the figures were taken, in a sentence or two."""
    setting = cost["setting"]
    gpu = f", {setting['gpu']}" if setting.get("gpu") else ""
    ours = "bfloat16 for the matrix products of ours" if setting["bfloat16"] else "ours in float32, too"
    return (
        f"{setting['epochs']} epochs of {setting['words']['train']:,} training words with "
        f"`configs/{setting['config']}.cfg` on {setting['encoder']}, {setting['words']['dev']:,} development "
        f"words evaluated after each; spaCy's own systems in float32, {ours}; "
        f"{setting['threads']} threads{gpu}, Python {setting['python']}. "
        f"Medians of {len(cost['repeats'])} repeats{steadiness(cost)}. {made_sentence([cost['made']])}"
    )


def steadiness(cost: Dict[str, Any]) -> str:
    """RETURNS (str): How far the machine itself was from one repeat to another; empty if there was one."""
    rates = [repeat["raw_forward"]["words_per_s"] for repeat in cost["repeats"]]
    if len(rates) < 2:
        return ""
    return f", between which the forward pass alone ran at {min(rates):,.0f} to {max(rates):,.0f} words/s"


def cost_markdown(cost: Dict[str, Any], chart: str) -> str:
    """Write the part of docs/cost.md that is made.

    cost (Dict[str, Any]): What the cost command wrote.
    chart (str): Path of the chart, seen from the page.
    RETURNS (str): Markdown.
    """
    parts: List[str] = [
        f"![Words per second, time of a whole training, and cost of the mask]({chart})",
        describe(cost),
        markdown_table(TIME_HEADER, time_rows(cost)),
        markdown_table(SPEED_HEADER, speed_rows(cost)),
        markdown_table(RATIO_HEADER, ratio_rows(cost)),
    ]
    return "\n\n".join(parts)
