"""The ratios that say what the figures mean, with the goals that were set for them."""

from statistics import median
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from .rounds import TRAININGS, Repeat
from .systems import SMALL

Ratio = Callable[[Repeat, Dict[str, Any]], float]
FORWARD = {"float32": "raw_forward", "bfloat16": "raw_forward_bfloat16"}
PIPES = {"float32": "pipe_float32", "bfloat16": "pipe"}
PIPE_GOALS = {"float32": (2.0, 2.6, 0.7), "bfloat16": (1.5, 5.0, 0.9)}
SLACK = 0.1  # by which a ratio may be worse than the worst there was, before it is slower


class Claim(NamedTuple):
    """One ratio.

    name (str): What it says.
    of (Ratio): Computes it from the figures of one repeat and the setting.
    goal (Optional[float]): The goal that was set, if there is one.
    at_least (bool): Whether the goal is a lower bound.
    unit (str): What follows the number.
    """

    name: str
    of: Ratio
    goal: Optional[float] = None
    at_least: bool = True
    unit: str = ""


def rate(repeat: Repeat, system: str) -> float:
    """RETURNS (float): Words per second of a system."""
    return repeat[system]["words_per_s"]


def stock_seconds(repeat: Repeat, setting: Dict[str, Any], system: str) -> float:
    """Extrapolate a whole training of a stock system from its words per second.

    repeat (Repeat): The figures.
    setting (Dict[str, Any]): Under what they were taken.
    system (str): stock_frozen_training or stock_fine_tuning.
    RETURNS (float): Seconds for all epochs, the development documents evaluated after each.
    """
    words = setting["words"]
    epoch = words["train"] / rate(repeat, system) + words["dev"] / rate(repeat, "stock_pipe")
    return setting["epochs"] * epoch


def _speed(system: str, other: str) -> Ratio:
    return lambda repeat, setting: rate(repeat, system) / rate(repeat, other)


def _saving(stock: str, ours: str) -> Ratio:
    return lambda repeat, setting: stock_seconds(repeat, setting, stock) / repeat[ours]["seconds"]


def _bound(dtype: str) -> Ratio:
    """Time over that of the counted matrix products at the machine's rate."""

    def ratio(repeat: Repeat, setting: Dict[str, Any]) -> float:
        epoch = repeat["head_epoch"]
        flops_per_s = epoch["flops_per_word"] * epoch["words_per_s"]
        return repeat["matrix_product"][f"{dtype}_feed_forward_gflops"] * 1e9 / flops_per_s

    return ratio


def _peak(repeat: Repeat, setting: Dict[str, Any]) -> float:
    return max(repeat[name]["peak_bytes"] for name in TRAININGS) / 1e9


def pipe_rows(setting: Dict[str, Any]) -> List[Claim]:
    """List the ratios of `nlp.pipe`, which take minutes to measure.

    setting (Dict[str, Any]): Under what the figures were taken.
    RETURNS (List[Claim]): Those that make sense on this machine.
    """
    found: List[Claim] = []
    for dtype in _types(setting):
        pipe, goals = PIPES[dtype], PIPE_GOALS[dtype]
        names = ("all encoded", "stock transformer and ner", "spaCy's `ner` on its own CNN")
        others = (f"{pipe}_all", "stock_pipe", "cnn_pipe")
        found += [
            Claim(f"`nlp.pipe`, {dtype} ÷ {name}", _speed(pipe, other), goal)
            for name, other, goal in zip(names, others, goals, strict=True)
        ]
    name = "`nlp.pipe` but for encoder and heads ÷ spaCy's tokenizer and sentencizer (time)"
    apart = Claim(name, lambda r, _: r["pipe_apart"]["own"] / r["pipe_apart"]["spacy"], 1.5, False)
    return [*found, apart]


def base_rows() -> List[Claim]:
    """RETURNS (List[Claim]): The ratios of `nlp.pipe` with an encoder of bert-base's size."""
    pipe = "`nlp.pipe`, encoder of bert-base's size"
    return [
        Claim(f"{pipe} ÷ all encoded", lambda r, _: rate(r, "base_pipe") / r["base_pipe"]["all_words_per_s"]),
        Claim(f"{pipe} ÷ stock transformer and ner", _speed("base_pipe", "stock_base_pipe"), 12.0),
        Claim(f"{pipe} ÷ spaCy's `ner` on its own CNN", _speed("base_pipe", "cnn_pipe")),
    ]


def beginning_rows() -> List[Claim]:
    """RETURNS (List[Claim]): CPU seconds of a beginning."""
    name = "`spacy.load` and a first text ÷ stock transformer and ner (CPU time)"
    return [
        Claim(name, lambda r, _: _cpu(r, "cold_start") / _cpu(r, "stock_cold_start"), at_least=False),
        *(_small(sentences) for sentences in SMALL),
    ]


def _small(sentences: int) -> Claim:
    name = f"`spacy train` on {sentences:,} sentences, store warm, beyond the imports (CPU time)"
    return Claim(name, lambda repeat, _: _cpu(repeat, f"training_{sentences}"), at_least=False, unit=" s")


def _cpu(repeat: Repeat, system: str) -> float:
    return repeat[system]["cpu_seconds"]


def rows(setting: Dict[str, Any], has_memory: bool) -> List[Claim]:
    """List the ratios.

    setting (Dict[str, Any]): Under what the figures were taken.
    has_memory (bool): Whether the system tells how much memory a process holds.
    RETURNS (List[Claim]): Those that make sense on this machine.
    """
    epochs = setting["epochs"]
    cold, warm = f"{epochs} epochs, store cold", f"{epochs} epochs, store warm"
    types = _types(setting)
    return [
        *(_row_against(dtype, "encoding into the store", "encoding", 0.90) for dtype in types),
        *(_row_against(dtype, "head epoch", "head_epoch", 5.0) for dtype in types),
        *(Claim(f"head epoch ÷ its matrix products in {t} (time)", _bound(t), 1.8, False) for t in types),
        Claim("head epoch, two looks ÷ one (time)", _speed("one_head_epoch", "head_epoch"), 1.5, False),
        Claim("share of spaCy in a head epoch", lambda r, _: r["head_epoch"]["spacy_share"], 0.25, False),
        Claim(f"{cold}: cheaper than fine-tuning by", _saving("stock_fine_tuning", "training_cold"), 15.0),
        Claim(
            f"{cold}: cheaper than stock frozen by", _saving("stock_frozen_training", "training_cold"), 5.0
        ),
        Claim(
            f"{warm}: cheaper than stock frozen by", _saving("stock_frozen_training", "training_warm"), 8.0
        ),
        Claim(
            "`hard` mask at 0.8 ÷ no mask: attention and feed-forward (time)",
            lambda r, _: r["mask_curve"]["hard_0.8"] / r["mask_curve"]["none"],
            0.35,
            False,
        ),
        *pipe_rows(setting),
        *base_rows(),
        *beginning_rows(),
        *(_row_against(dtype, "`nlp.pipe`", PIPES[dtype], 0.85) for dtype in types),
        *([Claim("peak memory of a whole training", _peak, 3.0, False, " GB")] if has_memory else []),
    ]


def _types(setting: Dict[str, Any]) -> List[str]:
    """Ours multiplies in bfloat16 where that is fast; spaCy's own systems always do in float32."""
    return ["float32", *(["bfloat16"] if setting["bfloat16"] else [])]


def _row_against(dtype: str, name: str, system: str, goal: float) -> Claim:
    """A system's words per second against those of the forward pass alone."""
    return Claim(f"{name} ÷ forward pass in {dtype} (words/s)", _speed(system, FORWARD[dtype]), goal)


def compute(repeats: List[Repeat], setting: Dict[str, Any], claims: Sequence[Claim]) -> List[Dict[str, Any]]:
    """Compute ratios, each within one repeat, so that a machine that drifts does not bend them.

    repeats (List[Repeat]): The figures.
    setting (Dict[str, Any]): Under what they were taken.
    claims (Sequence[Claim]): The ratios.
    RETURNS (List[Dict[str, Any]]): For each: name, unit, median, values, goal, and whether that is reached.
    """
    table = []
    for row in claims:
        values = [row.of(repeat, setting) for repeat in repeats]
        middle = median(values)
        reached = None
        if row.goal is not None:
            reached = middle >= row.goal if row.at_least else middle <= row.goal
        goal = {"goal": row.goal, "at_least": row.at_least, "reached": reached}
        table.append({"name": row.name, "unit": row.unit, "median": middle, "values": values, **goal})
    return table


def is_slower(now: Dict[str, Any], before: Dict[str, Any]) -> bool:
    """Say whether something has become slower.

    now (Dict[str, Any]): A ratio, as `compute` gives it.
    before (Dict[str, Any]): The same of earlier.
    RETURNS (bool): Whether it is worse by more than `SLACK` than the worst of earlier.
    """
    if now["at_least"]:
        return bool(now["median"] < min(before["values"]) * (1 - SLACK))
    return bool(now["median"] > max(before["values"]) * (1 + SLACK))


def medians(repeats: List[Repeat]) -> Repeat:
    """RETURNS (Repeat): The median of each figure over the repeats."""
    return {
        system: {
            figure: median(repeat[system][figure] for repeat in repeats) for figure in repeats[0][system]
        }
        for system in repeats[0]
    }
