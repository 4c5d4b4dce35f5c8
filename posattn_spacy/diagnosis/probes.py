"""What gate, mask and attention of a head do with documents whose entities are known."""

from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional

import torch
from spacy.language import Language
from spacy.training import Example
from torch import Tensor, nn

from ..attention import PositionalTagger, keep_mask
from ..component import PositionalNER
from ..evaluation import piped_batches
from ..head import Piece, pieces_of
from ..layout import Layout
from ..losses import MISSING
from ..model import head_inputs, torch_head


class Attention(NamedTuple):
    """The attention weights of one block for a batch.

    weights (Tensor): (texts, heads, time, time), from query to key; each row of a query sums to 1.
    layout (Layout): Where the rows of the batch stand among them.
    """

    weights: Tensor
    layout: Layout


class HeadShares(NamedTuple):
    """What a head does, as shares from 0 to 1; None where there is nothing to tell.

    gate_precision (Optional[float]): Of the tokens that the gate holds to be inside an entity, how many are.
    gate_recall (Optional[float]): Of the tokens inside an entity, how many the gate holds to be.
    attention_entropy (Optional[float]): Mean entropy of the attention, of what it were if spread evenly over
        the text.
    entity_attention (Optional[float]): How much of the attention goes to tokens inside an entity.
    entity_tokens (Optional[float]): The same if it were spread evenly.
    padded (float): How many tokens the mask takes out.
    entities_kept (Optional[float]): Of the tokens inside an entity, how many the mask leaves in.
    """

    gate_precision: Optional[float]
    gate_recall: Optional[float]
    attention_entropy: Optional[float]
    entity_attention: Optional[float]
    entity_tokens: Optional[float]
    padded: float
    entities_kept: Optional[float]


@contextmanager
def watched_attention(head: PositionalTagger) -> Iterator[List[Attention]]:
    """Keep the attention weights of a head for a while.

    head (PositionalTagger): The head.
    YIELDS (List[Attention]): Grows by one with every block that runs.
    """
    seen: List[Attention] = []

    def watch(block: Any) -> ExitStack:
        layouts: List[Layout] = []

        def keep(_: nn.Module, __: Any, weights: Tensor) -> None:
            seen.append(Attention(weights.detach().unflatten(0, (-1, block.n_heads)), layouts.pop()))

        hooks = ExitStack()
        hooks.enter_context(block.register_forward_pre_hook(lambda _, args: layouts.append(args[2])))
        hooks.enter_context(block.softmax.register_forward_hook(keep))
        return hooks

    with ExitStack() as stack:
        for block in head.blocks:
            stack.enter_context(watch(block))
        yield seen


def examine(nlp: Language, pipe: PositionalNER, examples: Iterable[Example]) -> Optional[HeadShares]:
    """Find what a component's head does with examples.

    nlp (Language): The pipeline.
    pipe (PositionalNER): One of its components.
    examples (Iterable[Example]): The examples.
    RETURNS (Optional[HeadShares]): The findings; None without a token, or if the model is no
        `posattn-spacy.PosAttnTagger`.
    """
    head = torch_head(pipe.model)
    if not isinstance(head, PositionalTagger):
        return None
    sums: Counter[str] = Counter()
    for batch, docs in piped_batches(nlp, pipe, examples):
        gold = pipe.gold_of(batch)
        inside = torch.from_numpy(gold.positions[:, 0] > 0)
        known = torch.from_numpy(gold.tags != MISSING)
        for piece in pieces_of(pipe.model.get_ref("output_layer"), head_inputs(pipe.model, docs)):
            sums.update(_sums(head, piece, inside[piece.words], known[piece.words]))
    return _shares(sums) if sums else None


def _sums(head: PositionalTagger, piece: Piece, inside: Tensor, known: Tensor) -> Counter[str]:
    """Add up over the words that a piece scores."""
    with watched_attention(head) as attention, torch.no_grad():
        _, positions = head(*piece.inputs)
    layout, gate = Layout.from_lengths(piece.inputs[1].cpu()), positions[:, 0].cpu()
    masks = head.config.mask in ("pad", "hard")
    kept = keep_mask(gate, layout, head.config.pad_ratio) if masks else torch.ones_like(inside)
    scored = torch.ones_like(inside)
    if piece.scored is not None:
        scored = torch.zeros_like(inside).index_fill_(0, torch.from_numpy(piece.scored), True)
    sums = Counter(_token_sums(inside[scored], ((gate > 0) & known)[scored], kept[scored]))
    for block in attention:
        sums.update(_query_sums(block, inside, kept, scored, layout))
    return sums


def _token_sums(inside: Tensor, gated: Tensor, kept: Tensor) -> Dict[str, float]:
    """Count tokens of which this and that holds, (rows,) bool each."""
    counts = {
        "tokens": torch.ones_like(inside),
        "inside": inside,
        "gated": gated,
        "gated_inside": gated & inside,
        "kept": kept,
        "kept_inside": kept & inside,
    }
    return {name: float(rows.sum()) for name, rows in counts.items()}


def _query_sums(
    block: Attention, inside: Tensor, kept: Tensor, scored: Tensor, layout: Layout
) -> Dict[str, float]:
    """Add up over the scored queries of a block where their attention goes; one word alone has no choice."""
    weights, rows = block.weights.float().cpu(), block.layout.cpu()
    packed = len(rows.slots) < len(layout.slots)  # the mask "hard": kept rows alone are keys and queries
    keys = rows.pad((inside[kept] if packed else inside).float())  # (texts, time)
    lengths = layout.pad(torch.ones_like(inside)).sum(1)[:, None]
    queries = rows.pad((scored[kept] if packed else scored).float()) * (lengths > 1)
    of_queries = {
        "queries": torch.ones_like(queries),
        "entropy": torch.special.entr(weights).sum(3).mean(1) / lengths.clamp(min=2).log(),
        "entity_attention": (weights * keys[:, None, None]).sum(3).mean(1),
        "entity_tokens": layout.pad(inside.float()).sum(1, keepdim=True) / lengths,
    }
    return {name: float((values * queries).sum()) for name, values in of_queries.items()}


def _shares(sums: Counter[str]) -> HeadShares:
    def share(part: str, whole: str) -> Optional[float]:
        return sums[part] / sums[whole] if sums[whole] else None

    return HeadShares(
        gate_precision=share("gated_inside", "gated"),
        gate_recall=share("gated_inside", "inside"),
        attention_entropy=share("entropy", "queries"),
        entity_attention=share("entity_attention", "queries"),
        entity_tokens=share("entity_tokens", "queries"),
        padded=1 - sums["kept"] / sums["tokens"],
        entities_kept=share("kept_inside", "inside"),
    )
