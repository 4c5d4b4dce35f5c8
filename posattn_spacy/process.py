"""What a process needs: memory that goes back to the system, and one thread each for forked workers."""

import ctypes
import os
from pathlib import Path
from typing import Any, Callable, Dict, Optional

import torch
from spacy.language import Language

PARALLELISM = "TOKENIZERS_PARALLELISM"
OURS = "off"  # "false" to tokenizers, too, but nobody else writes it so
SPARE = 1 << 27  # bytes by which a process may grow before it gives back what it has freed
LEARNING_SPARE = 1 << 29  # the same while it learns, as it will need them in the next update again
STATM = Path("/proc/self/statm")


def configure_trim_memory_v1(steps: int = 100) -> Callable[[Language, Dict[str, Any]], None]:
    """Make `posattn-spacy.trim_memory.v1` for `[training.before_update]`: it gives freed memory back.

    spaCy copies every document of a batch, and these copies and the batch's features leave holes behind that
    the C library keeps: without the callback, a training on GMB holds twice the memory it uses. It is given
    back when the process has grown by `LEARNING_SPARE`, too; on systems with glibc only.

    steps (int): How many steps lie between two times, at most.
    RETURNS (Callable[[Language, Dict[str, Any]], None]): The callback.
    RAISES (ValueError): If the number of steps is not positive.
    """
    if steps < 1:
        raise ValueError(f"training.before_update.steps = {steps}: give at least 1.")

    watch = Watch(LEARNING_SPARE)

    def trim(nlp: Language, progress: Dict[str, Any]) -> None:
        watch.batch_read(is_due=progress["step"] % steps == 0)

    return trim


class Watch:
    """Gives freed memory back when the process has grown since it last did, and a batch after.

    spare (int): By how many bytes it may grow.
    """

    def __init__(self, spare: int = SPARE) -> None:
        self.spare = spare
        self._settled: Optional[int] = None  # bytes that it had after the first batch since then

    def batch_read(self, is_due: bool = False) -> None:
        """Look how much memory there is; call it when a batch has been read.

        is_due (bool): Whether to give memory back however much there is.
        """
        now, settled = own_memory(), self._settled  # read once: another thread may change it
        if is_due or (settled is not None and now > settled + self.spare):
            give_back()
            self._settled = None  # what a batch needs is fetched again, and is no growth
        elif settled is None:
            self._settled = now


def own_memory() -> int:
    """Find the memory that a process has to itself, without mapped files such as a feature store.

    RETURNS (int): Its bytes; 0 where the system does not say as Linux does.
    """
    try:
        _, resident, shared, *_ = map(int, STATM.read_bytes().split())
    except OSError:
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Give memory back to the system that was freed, but that the C library keeps.

    oneDNN, with which torch multiplies matrices on a CPU, keeps something small for each of the last thousand
    shapes. It lies among what is large, so that the process would grow for as long as new shapes come. It
    does something on systems with glibc only.
    """
    library = ctypes.CDLL(None) if os.name == "posix" else None  # elsewhere there is nothing to ask
    malloc_trim = getattr(library, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


def _settle_tokenizers() -> None:
    """Tell tokenizers to use one thread in the process to come; untold, they do, but complain about it."""
    os.environ.setdefault(PARALLELISM, OURS)


def _unsettle_tokenizers() -> None:
    if os.environ.get(PARALLELISM) == OURS:
        del os.environ[PARALLELISM]


# `nlp.pipe(n_process=…)` forks. The threads of torch's OpenMP pool do not survive that, and a child that
# waits for them hangs. As the workers share the cores anyway, one thread each is also what they should use.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_settle_tokenizers,
        after_in_parent=_unsettle_tokenizers,
        after_in_child=lambda: torch.set_num_threads(1),
    )
