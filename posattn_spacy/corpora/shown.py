"""What a conversion came to, on the terminal."""

from pathlib import Path
from typing import List, Optional

from wasabi import msg

from .convert import Account
from .sentences import Counts


def show_account(
    account: Account, out: Path, counts: Path, *, mark: str = "", expected: Optional[Counts] = None
) -> None:
    """Print what was read, repaired and written, with a row of counts for each part.

    account (Account): The account of the conversion.
    out (Path): Where it has written to.
    counts (Path): Where the account itself was written.
    mark (str): What every line begins with.
    expected (Optional[Counts]): What the whole corpus should have, if that is known.
    """
    for file in account.removed:
        msg.warn(f"Removed {file}, which was made from another corpus.")
    for note in [*account.moved, *account.notes]:
        msg.warn(f"{mark}{note}")
    for kind, n in account.repairs.items():
        msg.warn(f"{mark}Repaired: {kind.said(n)}")
    types = list(account.read.types)
    rows = [["whole", "read", "", *_cells(account.read, types)]]
    if expected is not None:
        rows.append(["whole", "known", "", *_cells(expected, types)])
    for split, parts in account.splits.items():
        for part, of in parts.items():
            rows.append([split, part, f"{of.documents:,}", *_cells(of.counts, types)])
    header = ["Split", "Part", "Docs", "Sents", "Tokens", "Ents", *types]
    msg.divider(f"{mark}Counts")
    msg.table(rows, header=header, divider=True, aligns=["l", "l", *"r" * (len(header) - 2)])
    msg.good(f"{mark}Converted to {out}, counts in {counts}")


def _cells(counts: Counts, types: List[str]) -> List[str]:
    numbers = [counts.sentences, counts.tokens, counts.entities]
    return [f"{n:,}" for n in [*numbers, *(counts.types.get(label, 0) for label in types)]]
