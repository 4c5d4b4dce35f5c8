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
    """Take the annotation of one person of each text.

    items (Sequence[Item]): The annotations.
    path (Path): Where they were read, for messages.
    annotator (Optional[str]): Whose to take; texts that this one has not annotated are left out.
    of (Callable[[Item], str]): Who made an annotation.
    task (Callable[[Item], str]): Of which text it is.
    content (Callable[[Item], str]): What it says; those that say the same count as one.
    RETURNS (List[Item]): The annotations; several of a text, if one person has met it several times.
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
    differing = [
        own for own in by_task.values() if len({*map(of, own)}) > 1 and len({*map(content, own)}) > 1
    ]
    if differing:
        people, all_people = ", ".join(dict.fromkeys(map(of, differing[0]))), ", ".join(names)
        n_texts, first = f"{len(differing):,} of {len(by_task):,} texts", task(differing[0][0])
        raise CorpusError(
            f"{path}: {n_texts} were annotated in several ways, the first by {people}: {first!r:.80}. "
            f"Choose one of {all_people} with --annotator, or settle them in the tool."
        )
    return [item for item in items if of(item) == of(by_task[task(item)][0])]
