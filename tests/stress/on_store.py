"""Feature stores: killed processes, all that can go wrong, and trainings at once (see store.py)."""

import shutil
from typing import Any, Dict

from . import store
from .running import Found, Outcome, Setting

KILLS_ENCODING, KILLS_TRAINING = 45, 5  # of an item
NEVER = ["lost", "wrong", "damaged", "other weights", "failed"]


def kills(setting: Setting) -> Outcome:
    """Kill processes that encode and that train, and look at what they leave."""
    items = -(-setting.reach // (KILLS_ENCODING + KILLS_TRAINING))
    counts = setting.go_through(items, lambda item: setting.alone(kill_some, setting, item)).counts
    return Outcome(int(counts["kills"]), not any(counts.get(name) for name in NEVER), {**counts})


def kill_some(setting: Setting, item: int) -> Found:
    """Kill some processes of either kind, each with stores of their own."""
    folder, encoder = setting.folder / f"kills-{item}", setting.encoder("bert")
    shutil.rmtree(folder, ignore_errors=True)
    encoding = store.kill_while_encoding(folder / "encoding", encoder, KILLS_ENCODING, seed=item)
    training = store.kill_while_training(folder / "training", encoder, KILLS_TRAINING, seed=item)
    shutil.rmtree(folder)
    names = dict.fromkeys([*encoding, *training])
    return Found({name: int(encoding.get(name, 0)) + int(training.get(name, 0)) for name in names})


def failures(setting: Setting) -> Outcome:
    """Train with a store that fails in each of the ways there are; the reach is their number."""
    ways = store.FAILURES

    def fail(item: int) -> Found:
        name = ways[item].__name__
        figures = setting.alone(fail_once, setting, item)
        one_message, trained = figures["messages"] == 1, bool(figures["trained"])
        whole = bool(figures.get("unchanged", True)) and not figures.get("damaged")
        counts = {"ways": 1, "with one message": one_message, "trained on": trained, "left whole": whole}
        return Found(counts, [] if one_message and trained and whole else [f"{name}: {figures}"])

    tally = setting.go_through(len(ways), fail)
    return Outcome(len(ways), not tally.faults, {**tally.counts}, "; ".join(tally.faults))


def fail_once(setting: Setting, item: int) -> Dict[str, Any]:
    """Let a store fail in one way."""
    folder = setting.folder / f"failures-{item}"
    shutil.rmtree(folder, ignore_errors=True)
    return store.FAILURES[item](folder, setting.encoder("bert"))


def trainings(setting: Setting) -> Outcome:
    """Train several times at once on one store; the reach is their number."""
    folder = setting.folder / "trainings"
    shutil.rmtree(folder, ignore_errors=True)
    figures = setting.alone(store.train_at_once, folder, setting.encoder("bert"), setting.reach)
    return Outcome(setting.reach, not any(figures.get(name) for name in NEVER), figures)
