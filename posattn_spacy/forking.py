"""Lets `nlp.pipe(n_process=…)` work with torch and tokenizers: forked workers use one thread each.

The threads of torch's OpenMP pool do not survive a fork, and a child that waits for them hangs. As the
workers share the cores anyway, one thread each is also what they should use.
"""

import os

import torch


def _use_one_thread() -> None:
    torch.set_num_threads(1)
    # Tokenizers do so by themselves after a fork, with a warning unless they are told to.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)
