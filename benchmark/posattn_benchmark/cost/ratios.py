"""The ratios that say what the figures mean, with the goals that were set for them."""

from statistics import median
from typing import Any, Callable, Dict, List, NamedTuple

from .rounds import TRAININGS, Repeat

Ratio = Callable[[Repeat, Dict[str, Any]], float]
FORWARD = {"float32": "raw_forward", "bfloat16": "raw_forward_bfloat16"}


class Claim(NamedTuple):
    """One ratio.

    name (str): What it says.
    of (Ratio): Computes it from the figures of one repeat and the setting.
    goal (float): The goal that was set.
    at_least (bool): Whether the goal is a lower bound.
    unit (str): What follows the number.
    """

    name: str
    of: Ratio
    goal: float
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


def rows(setting: Dict[str, Any], has_memory: bool) -> List[Claim]:
    """List the ratios.

    setting (Dict[str, Any]): Under what the figures were taken.
    has_memory (bool): Whether the system tells how much memory a process holds.
    RETURNS (List[Claim]): Those that make sense on this machine.
    """
    epochs = setting["epochs"]
    cold, warm = f"{epochs} epochs, store cold", f"{epochs} epochs, store warm"
    # Ours multiplies in bfloat16 where that is fast; spaCy's own systems always do in float32.
    types = ["float32", *(["bfloat16"] if setting["bfloat16"] else [])]
    return [
        *(_row_against(dtype, "encoding into the store", "encoding", 0.90) for dtype in types),
        *(_row_against(dtype, "head epoch", "head_epoch", 5.0) for dtype in types),
        *(Claim(f"head epoch ÷ its matrix products in {t} (time)", _bound(t), 1.8, False) for t in types),
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
        Claim("`nlp.pipe` ÷ stock transformer and ner", _speed("pipe", "stock_pipe"), 1.3),
        *(_row_against(dtype, "`nlp.pipe`", "pipe", 0.85) for dtype in types),
        *([Claim("peak memory of a whole training", _peak, 3.0, False, " GB")] if has_memory else []),
    ]


def _row_against(dtype: str, name: str, system: str, goal: float) -> Claim:
    """A system's words per second against those of the forward pass alone."""
    return Claim(f"{name} ÷ forward pass in {dtype} (words/s)", _speed(system, FORWARD[dtype]), goal)


def compute(repeats: List[Repeat], setting: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Compute all ratios, each within one repeat, so that a machine that drifts does not bend them.

    repeats (List[Repeat]): The figures.
    setting (Dict[str, Any]): Under what they were taken.
    RETURNS (List[Dict[str, Any]]): For each: name, unit, median, values, goal, and whether it is reached.
    """
    table = []
    for row in rows(setting, "peak_bytes" in repeats[0][TRAININGS[0]]):
        values = [row.of(repeat, setting) for repeat in repeats]
        middle = median(values)
        reached = middle >= row.goal if row.at_least else middle <= row.goal
        goal = {"goal": row.goal, "at_least": row.at_least, "reached": reached}
        table.append({"name": row.name, "unit": row.unit, "median": middle, "values": values, **goal})
    return table


def medians(repeats: List[Repeat]) -> Repeat:
    """RETURNS (Repeat): The median of each figure over the repeats."""
    return {
        system: {
            figure: median(repeat[system][figure] for repeat in repeats) for figure in repeats[0][system]
        }
        for system in repeats[0]
    }
