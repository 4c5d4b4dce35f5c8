"""Checks that the frozen encoder is still the one that it was made from."""

from typing import Any, Iterator, List, Sequence

import torch
from spacy.tokens import Doc
from spacy.training import Example
from transformers import AutoModel

from ..frozen.architecture import FrozenModel, encode_texts, huggingface, kept_layers
from ..frozen.pieces import max_pieces
from ..texts import Text, read_words
from .findings import Finding, judged

CLOSE = 0.02  # products in bfloat16 differ from those in float32 by so much
POOLED = {"mean": slice(None), "first": slice(1), "last": slice(-1, None)}


def check_encoder(encoder: FrozenModel, examples: Sequence[Example]) -> Iterator[Finding]:
    """Compare weights and output of a frozen transformer with those of the encoder it was made from.

    encoder (FrozenModel): The frozen transformer.
    examples (Sequence[Example]): Some documents.
    YIELDS (Finding): The findings.
    """
    name = encoder.attrs["name"]
    try:
        original = AutoModel.from_pretrained(name, trust_remote_code=False).eval()
    except (OSError, ValueError):
        yield Finding(
            "unknown",
            f"The encoder '{name}', from which the pipeline was made, can't be loaded for comparison.",
            "Run this where the path in components.transformer.model.name leads to it.",
        )
        return
    yield weights_are_the_same(encoder, original)
    yield output_is_the_same(encoder, original, [example.predicted for example in examples])


def weights_are_the_same(encoder: FrozenModel, original: Any) -> Finding:
    """RETURNS (Finding): Whether no weight has moved."""
    own = huggingface(encoder)[0].state_dict()
    moved: List[str] = [
        name
        for name, weight in original.state_dict().items()
        if name in own and not torch.equal(weight.cpu(), own[name].cpu())
    ]
    return judged(
        not moved,
        f"{len(moved)} of {len(own)} weights of the encoder differ from the original{_first(moved)}.",
        "The encoder was trained, or is another one: make the pipeline anew with "
        "posattn-spacy.FrozenTransformer.v1.",
    )


def output_is_the_same(encoder: FrozenModel, original: Any, docs: Sequence[Doc]) -> Finding:
    """RETURNS (Finding): Whether the frozen transformer makes of texts what Hugging Face's own code does."""
    short = [doc for doc in docs if _is_one_window(encoder, doc)]
    if not short:
        return Finding(
            "unknown",
            "There is no document of one window to compare the encoder's output on.",
            "Give a corpus of sentences.",
        )
    off = max(_difference(encoder, original, doc) for doc in short)
    return judged(
        off <= CLOSE,
        f"On {len(short)} documents the output differs from the original encoder's by at most {off:.1%}.",
        "The encoder was changed: make the pipeline anew from the original one.",
    )


def _is_one_window(encoder: FrozenModel, doc: Doc) -> bool:
    """Whether a document has pieces, and so few that the encoder reads it at once."""
    transformer, tokenizer = huggingface(encoder)
    encoding = tokenizer(_words(doc), is_split_into_words=True)
    has_pieces = any(word is not None for word in encoding.word_ids())
    return has_pieces and len(encoding["input_ids"]) <= max_pieces(transformer, tokenizer)


def _words(doc: Doc) -> List[str]:
    return [doc.vocab.strings[orth] for orth in read_words([doc])[0].orths.tolist()]


def _difference(encoder: FrozenModel, original: Any, doc: Doc) -> float:
    """The largest difference between both outputs, of the largest number in the original's."""
    _, tokenizer = huggingface(encoder)
    words = _words(doc)
    encoding = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        states = original(**encoding, output_hidden_states=True).hidden_states
    pieces = torch.cat([states[layer][0] for layer in kept_layers(encoder)], dim=1)
    of_words = [
        [i for i, word in enumerate(encoding.word_ids()) if word == number] for number in range(len(words))
    ]
    theirs = torch.stack([pieces[own[POOLED[encoder.attrs["pooling"]]]].mean(0) for own in of_words if own])
    (read,) = read_words([doc])
    rows = encode_texts(encoder, [Text.whole(read.orths)], doc.vocab.strings).cpu()
    ours = rows[[bool(own) for own in of_words]]
    return float((ours - theirs).abs().max() / theirs.abs().max())


def _first(names: Sequence[str]) -> str:
    return f", the first is {names[0]}" if names else ""
