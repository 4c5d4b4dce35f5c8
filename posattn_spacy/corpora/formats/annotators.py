"""Texts that several people have annotated: whose annotation is taken."""

from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, TypeVar

from ..sentences import CorpusError

Item = TypeVar("Item")


def choose_annotator(
    items: Sequence[Item],
    path: Path,
    annotator: Optional[str],
    *,
    of: Callable[[Item], str],
    task: Callable[[Item], str],
    content: Callable[[Item], str],
) -> List[Item]:
    """Take one annotation of each text.

    items (Sequence[Item]): The annotations.
    path (Path): Where they were read, for messages.
    annotator (Optional[str]): Whose to take; texts that this one has not annotated are left out.
    of (Callable[[Item], str]): Who made an annotation.
    task (Callable[[Item], str]): Of which text it is.
    content (Callable[[Item], str]): What it says; those that say the same count as one.
    RETURNS (List[Item]): The annotations, one of each text.
    RAISES (CorpusError): If nobody is called so, or nobody is chosen where a text was annotated in several
        ways.
    """
    names = list(dict.fromkeys(map(of, items)))
    if annotator is not None:
        if annotator not in names:
            raise CorpusError(
                f"{path}: nobody called {annotator} has annotated anything. Choose with --annotator from "
                f"{', '.join(names) or 'nobody'}."
            )
        items = [item for item in items if of(item) == annotator]
    by_task: Dict[str, List[Item]] = {}
    for item in items:
        by_task.setdefault(task(item), []).append(item)
    for name, own in by_task.items():
        if len(set(map(content, own))) > 1:
            several = sum(len(set(map(content, each))) > 1 for each in by_task.values())
            people = ", ".join(dict.fromkeys(map(of, own)))
            raise CorpusError(
                f"{path}: {several:,} of {len(by_task):,} texts were annotated in several ways, the first by "
                f"{people}: {name!r:.80}. Choose one of {', '.join(names)} with --annotator, or settle them "
                "in the tool."
            )
    return [own[-1] for own in by_task.values()]
