"""Loading an encoder and its tokenizer, and making both ready for words (torch and transformers only)."""

import json
import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
from transformers import AutoModel, AutoTokenizer

SETTING = "components.transformer.model.name"
# In the language in which tokenizers write themselves down.
PREPEND_SPACE = {"type": "Prepend", "prepend": " "}
NO_MODEL = {"type": "WordLevel", "vocab": {}, "unk_token": ""}


def load_encoder(name: str, tokenizer_config: Dict[str, Any]) -> Tuple[Any, Any]:
    """Load an encoder and its tokenizer, ready for use.

    name (str): Folder of a Hugging Face encoder, or its name on the hub.
    tokenizer_config (Dict[str, Any]): Settings for the tokenizer.
    RETURNS (Tuple[PreTrainedModel, PreTrainedTokenizerFast]): The encoder, in float32, and the tokenizer.
    RAISES (ValueError): If there is no such encoder, it can't be read, or its tokenizer can't be used.
    """
    require_readable(name)
    if name.startswith((".", os.sep, "assets")) and not os.path.isdir(name):
        raise ValueError(
            f"The encoder folder '{name}' ({SETTING}) does not exist, seen "
            f"from {os.getcwd()}. In a project, `spacy project run encoder` makes it; elsewhere, name "
            "a folder that holds a Hugging Face encoder, or a model on the Hugging Face hub."
        )
    try:
        # Code that comes with an encoder is not run, nor is anybody asked whether to run it.
        tokenizer = AutoTokenizer.from_pretrained(name, **{**tokenizer_config, "trust_remote_code": False})
        transformer = AutoModel.from_pretrained(name, trust_remote_code=False).float()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The encoder '{name}' ({SETTING}) can't be loaded: it is neither "
            f"a folder with a Hugging Face encoder nor a model that can be fetched. {error}"
        ) from error
    if not tokenizer.is_fast:
        raise ValueError(
            f"The encoder '{name}' has no fast tokenizer, which is needed to tell which word a piece "
            "comes from. Choose an encoder that has a tokenizer.json."
        )
    if tokenizer.pad_token_id is None:
        raise ValueError(
            f"The tokenizer of the encoder '{name}' has no padding token. Name one of its tokens in "
            'components.transformer.model.tokenizer_config, for instance {"pad_token": "<pad>"}.'
        )
    set_prefix_space(tokenizer)
    prepare(tokenizer, transformer)
    return transformer, tokenizer


def resolve_layers(layers: Union[int, Sequence[int], None], n_hidden: int) -> List[int]:
    """Turn a choice of layers, by number or counted from either end, into indices of hidden states.

    layers (Union[int, Sequence[int], None]): How many layers, or which, as in the config; None for all.
    n_hidden (int): The encoder's layers.
    RETURNS (List[int]): Indices of hidden states, 0 being the embeddings.
    RAISES (ValueError): If there is no such layer, or none is chosen.
    """
    if layers is None:
        layers = n_hidden + 1
    if isinstance(layers, int):
        spaced = np.linspace(n_hidden, 0, min(max(layers, 0), n_hidden + 1))
        chosen = spaced.round().astype(int).tolist()[::-1]
    else:
        chosen = list(layers)
    wrong = [layer for layer in chosen if not -n_hidden - 1 <= layer <= n_hidden]
    if wrong or not chosen:
        raise ValueError(
            f"components.transformer.model.layers = {layers}: this encoder has the layers 0 (embeddings) "
            f"to {n_hidden}, or -1 (last) to {-n_hidden - 1}; choose at least one of them, or say how many."
        )
    return [layer % (n_hidden + 1) for layer in chosen]


def require_readable(name: str) -> None:
    """Insist that the folder of an encoder, if there is one of this name, can be read.

    name (str): A folder, or a name on the hub.
    RAISES (ValueError): If it is there, but this user may not read it.
    """
    shut = first_shut(Path(name))
    if shut is not None:
        raise ValueError(
            f"The encoder folder '{name}' can't be read: this user has no permission for '{shut}'. "
            "Whoever owns it can give it (chmod -R a+rX gives it to everybody)."
        )


def first_shut(folder: Path) -> Optional[Path]:
    """Look for something in a folder that this user may not read.

    folder (Path): The folder; it need not be there.
    RETURNS (Optional[Path]): The folder, or the first file in it that is shut; None if all may be read.
    """
    path = folder
    try:
        if os.stat(folder) and os.path.isdir(folder):
            for path in sorted(folder.iterdir()):
                if not os.path.isdir(path):
                    path.open("rb").close()
    except PermissionError:
        return path
    except OSError:
        return None  # there is no such folder
    return None


def prepare(tokenizer: Any, transformer: Any) -> None:
    """Make a loaded encoder and its tokenizer ready, once: nothing changes them from then on.

    tokenizer (PreTrainedTokenizerFast): The tokenizer, which neither truncates nor pads from then on (the
        tokenizer.json of all-MiniLM-L6-v2 has it truncate at 128).
    transformer (PreTrainedModel): The encoder, in evaluation mode and without gradients from then on.
    """
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    transformer.requires_grad_(False)
    transformer.eval()


def set_prefix_space(tokenizer: Any) -> None:
    """See to it that each word is cut as it is after a space, by which many encoders know words.

    It is set on the backend: what the class around it makes of `add_prefix_space` differs from class to
    class, and with the version.

    tokenizer (PreTrainedTokenizerFast): The tokenizer, changed if words would have no space before them.
    """
    backend = tokenizer.backend_tokenizer
    settings = json.loads(backend.to_str())
    changed = _with_prefix_space(settings)
    if changed != settings:
        ready = type(backend).from_str(json.dumps({**changed, "model": NO_MODEL, "added_tokens": []}))
        for part in ("normalizer", "pre_tokenizer", "post_processor"):
            if changed[part] != settings[part]:
                setattr(backend, part, getattr(ready, part))
    if getattr(tokenizer, "add_prefix_space", True) is False:
        tokenizer.add_prefix_space = True  # some classes take no words otherwise


def _with_prefix_space(settings: Dict[str, Any]) -> Dict[str, Any]:
    """The settings of a backend, so changed that each word has a space before it."""
    first, last = settings["pre_tokenizer"], settings["post_processor"]
    steps = [] if first is None else first.get("pretokenizers", [first])
    if not any(map(_knows_words_by_a_space_it_lacks, steps)):
        return settings
    if first["type"] == "ByteLevel":
        if last is not None and last["type"] == "RobertaProcessing":
            last = {**last, "add_prefix_space": True}
        return {**settings, "pre_tokenizer": {**first, "add_prefix_space": True}, "post_processor": last}
    # Another step may split a word, of which only the first part has a space before it.
    before = settings["normalizer"]
    normalizers = [] if before is None else before.get("normalizers", [before])
    if normalizers[-1:] == [PREPEND_SPACE]:
        return settings
    return {**settings, "normalizer": {"type": "Sequence", "normalizers": [*normalizers, PREPEND_SPACE]}}


def _knows_words_by_a_space_it_lacks(step: Dict[str, Any]) -> bool:
    if step["type"] == "Metaspace":
        return step["prepend_scheme"] == "never"
    return step["type"] == "ByteLevel" and not step["add_prefix_space"]
