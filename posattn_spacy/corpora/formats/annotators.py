"""Texts that several people have annotated: whose annotation is taken."""

from pathlib import Path
from typing import Callable, Dict, Hashable, List, Optional, Sequence, Tuple, TypeVar

from ..sentences import CorpusError

Item = TypeVar("Item")


def of_annotator(
    items: Sequence[Item],
    path: Path,
    annotator: Optional[str],
    *,
    of: Callable[[Item], str],
    task: Callable[[Item], str],
) -> Tuple[List[Item], List[str]]:
    """Take what one person has annotated, if one is chosen.

    items (Sequence[Item]): The annotations.
    path (Path): Where they were read, for messages.
    annotator (Optional[str]): Whose to take; None for everybody's.
    of (Callable[[Item], str]): Who made an annotation.
    task (Callable[[Item], str]): Of which text it is.
    RETURNS (Tuple[List[Item], List[str]]): The annotations, and what the user should know of the others.
    RAISES (CorpusError): If nobody is called so.
    """
    if annotator is None:
        return list(items), []
    own = [item for item in items if of(item) == annotator]
    if not own:
        names = ", ".join(dict.fromkeys(filter(None, map(of, items)))) or "nobody"
        raise CorpusError(
            f"{path}: nobody called {annotator} has annotated anything. Choose with --annotator from {names}."
        )
    n_texts, n_own = len(set(map(task, items))), len(set(map(task, own)))
    if n_own == n_texts:
        return own, []
    n_others = n_texts - n_own
    return own, [
        f"Texts that {annotator} has not annotated, which were left out: {n_others:,} of {n_texts:,}."
    ]


def settled(
    items: Sequence[Item],
    path: Path,
    *,
    of: Callable[[Item], str],
    task: Callable[[Item], str],
    content: Callable[[Item], Hashable],
) -> Tuple[List[Item], List[str]]:
    """Take the annotation of one person of each text.

    items (Sequence[Item]): The annotations, the newest last; the other arguments are as of `of_annotator`.
    content (Callable[[Item], Hashable]): What one says; those that say the same count as one.
    RETURNS (Tuple[List[Item], List[str]]): The annotations, of a person that has annotated a text in several
        ways the last one; and what the user should know of that.
    RAISES (CorpusError): If people differ.
    """
    by_task: Dict[str, List[Item]] = {}
    for item in items:
        by_task.setdefault(task(item), []).append(item)
    chosen, changed = {}, 0
    for name, own in by_task.items():
        last = {of(item): content(item) for item in own}
        if len(set(last.values())) > 1:
            continue
        taken = [item for item in own if of(item) == of(own[0])]
        again = [item for item in taken if content(item) != content(taken[-1])]
        changed += bool(again)
        chosen[name] = taken[-1:] if again else taken
    differing = [own for name, own in by_task.items() if name not in chosen]
    if differing:
        names = ", ".join(dict.fromkeys(map(of, items)))
        people, first = ", ".join(dict.fromkeys(map(of, differing[0]))), task(differing[0][0])
        raise CorpusError(
            f"{path}: {len(differing):,} of {len(by_task):,} texts were annotated in several ways, the first "
            f"by {people}: {first!r:.80}. Choose one of {names} with --annotator, or settle them in the tool."
        )
    kept = {id(item) for own in chosen.values() for item in own}
    notes = []
    if changed:
        notes.append(
            "Texts that one person has annotated in several ways, of which the last was taken: "
            f"{changed:,} of {len(by_task):,}."
        )
    return [item for item in items if id(item) in kept], notes
