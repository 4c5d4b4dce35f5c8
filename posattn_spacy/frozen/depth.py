"""An encoder that runs no layer in vain (torch and transformers only, DESIGN.md 3)."""

from copy import copy
from typing import Any, Dict, List, Optional, Sequence

import torch
from torch import Tensor, nn

PROBE = 8  # word pieces with which two encoders are compared


class Depths:
    """An encoder cut off above its lowest layers, once for each number of them that was asked for.

    What is cut off shares its weights with the whole.

    transformer (PreTrainedModel): The encoder, in evaluation mode.
    """

    def __init__(self, transformer: Any) -> None:
        self.whole = transformer
        self._cut: Dict[int, Any] = {}

    def upto(self, state: int) -> Any:
        """Give an encoder that gets as far as a hidden state.

        state (int): The highest hidden state that is wanted, 0 being the embeddings.
        RETURNS (PreTrainedModel): The encoder, without the layers above where it can do without them.
        """
        if state not in self._cut:
            self._cut[state] = _cut_off(self.whole, state)
        return self._cut[state]

    def reaches(self, state: int) -> bool:
        """RETURNS (bool): Whether layers are left out up to a hidden state."""
        return self.upto(state) is not self.whole


def _cut_off(transformer: Any, state: int) -> Any:
    """The lowest layers, if they make of pieces what the whole makes of them.

    Some encoders normalise the last hidden state and none before; these keep a layer more.
    """
    total = transformer.config.num_hidden_layers
    path = _layers_of(transformer, total)
    if path is not None:
        for depth in range(state, min(state + 2, total)):
            cut = _with_layers(transformer, path, depth)
            if _agree(transformer, cut, state):
                return cut
    return transformer


def _layers_of(transformer: Any, total: int) -> Optional[List[str]]:
    """Where its layers are, from attribute to attribute; None if that is not plain to see."""
    found = [
        name
        for name, module in transformer.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == total
    ]
    return found[0].split(".") if len(found) == 1 else None


def _with_layers(module: Any, path: Sequence[str], depth: int) -> Any:
    """A copy of a module that differs in the number of its layers, and shares all else."""
    if not path:
        return module[:depth]
    shallow = copy(module)
    shallow._modules = dict(module._modules)
    shallow._modules[path[0]] = _with_layers(module._modules[path[0]], path[1:], depth)
    if hasattr(module, "config"):
        shallow.config = copy(module.config)
        shallow.config.num_hidden_layers = depth
    return shallow


def _agree(whole: Any, cut: Any, state: int) -> bool:
    """Whether both make the same of some pieces, up to a hidden state."""
    try:
        one, other = (_states(each, state) for each in (whole, cut))
    except Exception:  # whatever an architecture does without its layers
        return False
    return len(one) == len(other) and all(map(torch.equal, one, other))


@torch.inference_mode()
def _states(transformer: Any, state: int) -> List[Tensor]:
    ids = torch.arange(PROBE, device=transformer.device).remainder(transformer.config.vocab_size)[None]
    output = transformer(ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
    return list(output.hidden_states[: state + 1])
