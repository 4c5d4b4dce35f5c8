"""Lets `nlp.pipe(n_process=…)` work with torch and tokenizers: forked workers use one thread each.

The threads of torch's OpenMP pool do not survive a fork, and a child that waits for them hangs. As the
workers share the cores anyway, one thread each is also what they should use.
"""

import os

import torch

PARALLELISM = "TOKENIZERS_PARALLELISM"
OURS = "off"  # "false" to tokenizers, too, but nobody else writes it so


def _settle_tokenizers() -> None:
    """Tell tokenizers to use one thread in the process to come; untold, they do, but complain about it."""
    os.environ.setdefault(PARALLELISM, OURS)


def _unsettle_tokenizers() -> None:
    if os.environ.get(PARALLELISM) == OURS:
        del os.environ[PARALLELISM]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_settle_tokenizers,
        after_in_parent=_unsettle_tokenizers,
        after_in_child=lambda: torch.set_num_threads(1),
    )
