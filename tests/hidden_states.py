"""What Hugging Face itself makes of words, text by text: the yardstick for the frozen transformer."""

from pathlib import Path
from typing import Optional, Sequence

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

# The pieces of a word that count, by the name of the pooling.
POOLED = {"mean": slice(None), "first": slice(1), "last": slice(-1, None)}


def hidden_states(
    folder: Path, words: Sequence[str], layers: Optional[Sequence[int]] = None, pooling: str = "mean"
) -> np.ndarray:
    """Encode the words of one text.

    folder (Path): A Hugging Face encoder.
    words (Sequence[str]): The words.
    layers (Optional[Sequence[int]]): Hidden states to keep; all by default.
    pooling (str): Which pieces of a word count.
    RETURNS (np.ndarray): (words, layers · width) the mean over these pieces, 0 where a word has none.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if getattr(tokenizer, "add_prefix_space", True) is False:
        tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
    encoding = tokenizer(list(words), is_split_into_words=True, return_tensors="pt", truncation=False)
    with torch.no_grad():
        model = AutoModel.from_pretrained(folder).eval()
        states = model(**encoding, output_hidden_states=True).hidden_states
    chosen = range(len(states)) if layers is None else layers
    pieces = torch.cat([states[layer] for layer in chosen], dim=-1)[0]
    rows = torch.zeros(len(words), pieces.shape[1])
    for i in range(len(words)):
        own = [piece for piece, word in enumerate(encoding.word_ids()) if word == i]
        if own:
            rows[i] = pieces[own[POOLED[pooling]]].mean(0)
    return rows.numpy()
