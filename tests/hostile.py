"""Ways in which the folder of a saved pipeline can be spoilt: damaged, mixed up, or made by an enemy.

`KINDS` has them by name. Each spoils a folder that `tests/test_hostile.py` makes.
"""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence

import numpy as np
import srsly
import torch

from old_format import old_encoder, torch_save
from posattn_spacy.frozen.storing import encoder_from_bytes
from posattn_spacy.saving import (
    head_from_bytes,
    head_to_bytes,
    sealed,
    tensors_from_bytes,
    tensors_to_bytes,
)

Message = Dict[str, Any]
ENORMOUS = 10**12
TRANSFORMER, HEAD, CFG = "transformer/model", "posattn_ner/model", "posattn_ner/cfg"


class Place(NamedTuple):
    """What a kind may use.

    folder (Path): The saved pipeline: a frozen transformer, and a head with a lexical channel.
    other (Path): Another one, with other labels and an encoder of another width.
    marker (Path): A file that is never there unless code has been run, or a file written, that should not be.
    """

    folder: Path
    other: Path
    marker: Path


class Kind(NamedTuple):
    """A way to spoil a folder.

    spoil (Callable[[Place], Any]): Does it.
    names (Optional[str]): The file that the message names; None if the pipeline works all the same.
    """

    spoil: Callable[[Place], Any]
    names: Optional[str]


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


# Files as a whole


def write(name: str, data: bytes) -> Callable[[Place], Any]:
    return lambda place: (place.folder / name).write_bytes(data)


def cut(name: str, share: float) -> Callable[[Place], Any]:
    def spoil(place: Place) -> None:
        path = place.folder / name
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])

    return spoil


def flip(name: str) -> Callable[[Place], Any]:
    """Turn the bits of a stretch in the middle, where there are names and numbers."""

    def spoil(place: Place) -> None:
        path = place.folder / name
        data = bytearray(path.read_bytes())
        for i in range(200, 400):
            data[i] ^= 0xFF
        path.write_bytes(bytes(data))

    return spoil


def digit(name: str) -> Callable[[Place], Any]:
    """Change a number among the weights."""

    def spoil(place: Place) -> None:
        path = place.folder / name
        data = bytearray(path.read_bytes())
        data[data.rindex(b"__metadata__" if b"__metadata__" in data else b"data_offsets") + 3000] ^= 1
        path.write_bytes(bytes(data))

    return spoil


def remove(name: str) -> Callable[[Place], Any]:
    return lambda place: (place.folder / name).unlink()


def copy(source: str, name: str, other: bool = False) -> Callable[[Place], Any]:
    return lambda place: shutil.copy((place.other if other else place.folder) / source, place.folder / name)


def folder_for_file(place: Place) -> None:
    (place.folder / TRANSFORMER).unlink()
    (place.folder / TRANSFORMER).mkdir()


def other_component(place: Place) -> None:
    shutil.rmtree(place.folder / "posattn_ner")
    shutil.copytree(place.other / "posattn_ner", place.folder / "posattn_ner")


def pickled(name: str) -> Callable[[Place], Any]:
    """A pickle with code where a file should be."""
    return lambda place: (place.folder / name).write_bytes(pickle.dumps(Payload(place.marker)))


# Settings


def settings(**changed: Any) -> Callable[[Place], Any]:
    def spoil(place: Place) -> None:
        path = place.folder / CFG
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))

    return spoil


# Models: what thinc writes, and the encoder and the head in it


def model(name: str, change: Callable[[Message, Place], Any]) -> Callable[[Place], Any]:
    """Change the message of a model file."""

    def spoil(place: Place) -> None:
        path = place.folder / name
        message = srsly.msgpack_loads(path.read_bytes())
        change(message, place)
        path.write_bytes(srsly.msgpack_dumps(message))

    return spoil


def shim(message: Message, which: int = 0) -> Any:
    """The shims of a node that has any: of the encoder, or of the head and the first look behind it."""
    return [shims for shims in message["shims"] if shims][which]


def encoder(change: Callable[[Message, Place], Any]) -> Callable[[Place], Any]:
    """Change the message of the encoder."""

    def change_model(message: Message, place: Place) -> None:
        shims = shim(message)
        own = srsly.msgpack_loads(shims[0])
        change(own, place)
        own.pop("checksum", None)
        shims[0] = sealed(own)  # an enemy can count, too

    return model(TRANSFORMER, change_model)


def old(change: Callable[[Message, Place], Any]) -> Callable[[Place], Any]:
    """Change the message of the encoder as version 0.1.0 wrote it."""

    def change_model(message: Message, place: Place) -> None:
        shims = shim(message)
        read = encoder_from_bytes(shims[0])
        assert read is not None
        own = srsly.msgpack_loads(old_encoder(*read))
        change(own, place)
        shims[0] = srsly.msgpack_dumps(own)

    return model(TRANSFORMER, change_model)


def config(**changed: Any) -> Callable[[Place], Any]:
    """Change the config of the encoder."""

    def change(message: Message, place: Place) -> None:
        message["config"] = json.dumps({**json.loads(message["config"]), **changed})

    return encoder(change)


def tokenizer(**changed: Any) -> Callable[[Place], Any]:
    """Change the settings of the tokenizer."""

    def change(message: Message, place: Place) -> None:
        message["settings"] = json.dumps({**json.loads(message["settings"]), **changed})

    return encoder(change)


def weights(change: Callable[[Dict[str, torch.Tensor]], Any]) -> Callable[[Place], Any]:
    """Change the weights of the encoder."""

    def change_message(message: Message, place: Place) -> None:
        state = tensors_from_bytes(message["state"])
        change(state)
        message["state"] = tensors_to_bytes(state)

    return encoder(change_message)


def header(text: str, length: Optional[int] = None) -> Callable[[Place], Any]:
    """Write weights that are a header alone, of a length that may be a lie."""
    data = (len(text) if length is None else length).to_bytes(8, "little") + text.encode()
    return encoder(
        lambda message, place: message.update(state=srsly.msgpack_dumps({"tensors": data, "shared": {}}))
    )


def head(change: Callable[[Message, Place], Any], which: int = 0) -> Callable[[Place], Any]:
    """Change the config and the weights of the head, or of the first look."""

    def change_model(message: Message, place: Place) -> None:
        shims = shim(message, which)
        outer = srsly.msgpack_loads(shims[0])
        own, state = head_from_bytes(outer["state"])
        parts = {"config": own, "state": state}
        change(parts, place)
        outer["state"] = head_to_bytes(parts["config"], parts["state"])
        shims[0] = srsly.msgpack_dumps(outer)

    return model(HEAD, change_model)


def head_config(**changed: Any) -> Callable[[Place], Any]:
    return head(lambda parts, place: parts["config"].update(changed))


def first_config(**changed: Any) -> Callable[[Place], Any]:
    return head(lambda parts, place: parts["config"].update(changed), which=1)


def head_bytes(make: Callable[[Place], bytes]) -> Callable[[Place], Any]:
    """Put other bytes in the head's place."""

    def change_model(message: Message, place: Place) -> None:
        shims = shim(message)
        outer = srsly.msgpack_loads(shims[0])
        outer["state"] = make(place)
        shims[0] = srsly.msgpack_dumps(outer)

    return model(HEAD, change_model)


def old_state(make: Callable[[Place], Any]) -> Callable[[Place], Any]:
    """Put something that torch saved in the place of an old encoder's weights."""
    return old(lambda message, place: message.update(state=torch_save(make(place))))


def expanded(place: Place) -> Dict[str, torch.Tensor]:
    return {"embeddings.word_embeddings.weight": torch.zeros(1).expand(ENORMOUS, 16)}


def old_file(name: str, data: bytes) -> Callable[[Place], Any]:
    return old(lambda message, place: message["tokenizer"].update({name: data}))


def old_tokenizer_config(**changed: Any) -> Callable[[Place], Any]:
    def change(message: Message, place: Place) -> None:
        files = message["tokenizer"]
        text = json.dumps({**json.loads(files["tokenizer_config.json"]), **changed})
        files["tokenizer_config.json"] = text.encode()

    return old(change)


def other_tokenizer(message: Message, place: Place) -> None:
    """A tokenizer with more pieces than the encoder has vectors for."""
    backend = json.loads(message["tokenizer"])
    vocabulary = backend["model"]["vocab"]
    vocabulary.update({f"piece{i}": len(vocabulary) + i for i in range(1000)})
    message["tokenizer"] = json.dumps(backend)


def attribute(name: str, value: Any, file: str = TRANSFORMER, node: int = 0) -> Callable[[Place], Any]:
    return model(
        file, lambda message, place: message["attrs"][node].update({name: srsly.msgpack_dumps(value)})
    )


def dimension(file: str, size: int) -> Callable[[Place], Any]:
    """Lie about the width of the first node's output."""
    return model(file, lambda message, place: message["nodes"][0]["dims"].update(nO=size))


def listener_width(message: Message, place: Place) -> None:
    for node in message["nodes"]:
        if "listener" in node["name"]:
            node["dims"]["nO"] = ENORMOUS


def short_table(message: Message, place: Place) -> None:
    """An embedding table from which rows are missing, which native code would read beyond."""
    for params in message["params"]:
        if params.get("E") is not None:
            params["E"] = np.ascontiguousarray(params["E"][:1])


def absolute(place: Place) -> Any:
    return old(lambda message, _: message["tokenizer"].update({str(place.marker): b"x"}))(place)


def upwards(place: Place) -> Any:
    name = "../" * 20 + str(place.marker).lstrip("/")
    return old(lambda message, _: message["tokenizer"].update({name: b"x"}))(place)


DEEP = b"\x91" * 100_000 + b"\xc0"  # lists within lists
AUTO_MAP = {"AutoConfig": "own.Own", "AutoModel": "own.Own", "AutoTokenizer": ["own.Own", "own.Own"]}
_FILES: Sequence[str] = (TRANSFORMER, HEAD, CFG)

KINDS: Dict[str, Kind] = {
    # Files as a whole
    **{f"{name} is empty": Kind(write(name, b""), name) for name in _FILES},
    **{f"{name} is cut in half": Kind(cut(name, 0.5), name) for name in _FILES},
    **{f"{name} lacks its end": Kind(cut(name, 0.99), name) for name in _FILES},
    **{f"{name} is of zeros": Kind(write(name, bytes(5000)), name) for name in _FILES},
    **{f"{name} has flipped bits": Kind(flip(name), name) for name in (TRANSFORMER, HEAD)},
    f"{HEAD} is missing": Kind(remove(HEAD), HEAD),
    f"{CFG} is missing": Kind(remove(CFG), "posattn_ner"),
    **{f"{name} is a list": Kind(write(name, b"\x91\x01"), name) for name in (TRANSFORMER, HEAD)},
    **{f"{name} is nested deeply": Kind(write(name, DEEP), name) for name in (TRANSFORMER, HEAD)},
    **{f"{name} is a pickle with code": Kind(pickled(name), name) for name in _FILES},
    "transformer/model is a folder": Kind(folder_for_file, TRANSFORMER),
    "the head's file for the transformer's": Kind(copy(HEAD, TRANSFORMER), TRANSFORMER),
    "the transformer's file for the head's": Kind(copy(TRANSFORMER, HEAD), HEAD),
    "the head's file of another pipeline": Kind(copy(HEAD, HEAD, other=True), "posattn_ner"),
    "the labels of another pipeline": Kind(copy(CFG, CFG, other=True), "posattn_ner"),
    "the head of another pipeline": Kind(other_component, "different pipelines"),
    # The component's settings
    "cfg is a list": Kind(write(CFG, b"[1]"), CFG),
    "cfg has no labels": Kind(write(CFG, b"{}"), "'cfg' has 0 labels"),
    "labels are a string": Kind(settings(labels="per"), f"{CFG}' can't be used: labels"),
    "labels are numbers": Kind(settings(labels=[1, 2]), "labels"),
    "a label twice": Kind(settings(labels=["per", "per"]), "labels"),
    "one label too many": Kind(settings(labels=["geo", "per", "org"]), "labels"),
    "temperature is not a number": Kind(write(CFG, b'{"temperature": NaN}'), CFG),
    "temperature is 0": Kind(settings(temperature=0), "temperature"),
    "temperature is negative": Kind(settings(temperature=-1.0), "temperature"),
    "temperature is a word": Kind(settings(temperature="abc"), "temperature"),
    "temperature is too large a number": Kind(write(CFG, b'{"temperature": 1e999}'), CFG),
    "threshold is out of range": Kind(settings(threshold=7), "threshold"),
    "a label's threshold is out of range": Kind(settings(label_thresholds={"per": -1}), "label_thresholds"),
    "thresholds are a list": Kind(settings(label_thresholds=[0.5]), "label_thresholds"),
    "a label's weight is negative": Kind(settings(label_weights={"per": -1}), "label_weights"),
    "positional weight is negative": Kind(settings(positional_weight=-1), "positional_weight"),
    "candidates are 0": Kind(settings(candidates=0), "candidates"),
    "overwrite is a word": Kind(settings(overwrite="yes"), "overwrite"),
    # The transformer's model
    "a model without nodes": Kind(model(TRANSFORMER, lambda m, _: m.pop("nodes")), TRANSFORMER),
    "a model with a node too many": Kind(
        model(TRANSFORMER, lambda m, _: m["nodes"].append(m["nodes"][0])), TRANSFORMER
    ),
    "a width that is a lie": Kind(dimension(TRANSFORMER, ENORMOUS), TRANSFORMER),
    "a width that is a word": Kind(dimension(TRANSFORMER, "wide"), TRANSFORMER),  # type: ignore[arg-type]
    "an unknown pooling": Kind(attribute("pooling", "max"), TRANSFORMER),
    "layers that are a word": Kind(attribute("layers", "all"), TRANSFORMER),
    "layers that there are not": Kind(attribute("layers", [99]), TRANSFORMER),
    "no pieces per batch": Kind(attribute("batch_pieces", 0), None),  # the config says how many
    "a function by name": Kind(attribute("encode", "os.system"), TRANSFORMER),
    # The encoder
    "weights that torch has saved": Kind(encoder(lambda m, _: m.update(state=torch_save({}))), TRANSFORMER),
    "a safetensors header without end": Kind(header("{}", 2**63), TRANSFORMER),
    "a safetensors header that is no JSON": Kind(header("{{{{"), TRANSFORMER),
    "a safetensors header with lying offsets": Kind(
        header('{"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1000000]}}'), TRANSFORMER
    ),
    "a safetensors header with an enormous shape": Kind(
        header(f'{{"x": {{"dtype": "F32", "shape": [{2**62}, 4], "data_offsets": [0, 0]}}}}'), TRANSFORMER
    ),
    "weights shared with none": Kind(
        encoder(
            lambda m, _: m.update(
                state=srsly.msgpack_dumps(
                    {**srsly.msgpack_loads(m["state"]), "shared": {"embeddings.x": "embeddings.y"}}
                )
            )
        ),
        TRANSFORMER,
    ),
    "a digit of a weight is another one": Kind(digit(TRANSFORMER), "checksum"),
    "a digit of a weight of the head is another one": Kind(digit(HEAD), "checksum"),
    "a weight is missing": Kind(weights(lambda s: s.pop(sorted(s)[0])), TRANSFORMER),
    "a weight too many": Kind(weights(lambda s: s.update(more=torch.zeros(2))), TRANSFORMER),
    "a weight of another shape": Kind(
        weights(lambda s: s.update({sorted(s)[0]: torch.zeros(2)})), TRANSFORMER
    ),
    "an enormous encoder": Kind(config(hidden_size=ENORMOUS), TRANSFORMER),
    "an enormous vocabulary": Kind(config(vocab_size=ENORMOUS), TRANSFORMER),
    "enormously many positions": Kind(config(max_position_embeddings=ENORMOUS), TRANSFORMER),
    "enormously many layers": Kind(config(num_hidden_layers=10**9), TRANSFORMER),
    "fewer layers than weights": Kind(config(num_hidden_layers=1), TRANSFORMER),
    "an unknown type of encoder": Kind(config(model_type="own"), TRANSFORMER),
    "another type of encoder": Kind(config(model_type="vit"), TRANSFORMER),
    "a config that is a list": Kind(encoder(lambda m, _: m.update(config="[1]")), TRANSFORMER),
    "a config that is no JSON": Kind(encoder(lambda m, _: m.update(config="{")), TRANSFORMER),
    "a config with code": Kind(config(auto_map=AUTO_MAP), TRANSFORMER),
    "a config with a kernel of the hub": Kind(config(_attn_implementation="own/kernel"), TRANSFORMER),
    "a tokenizer that is no JSON": Kind(encoder(lambda m, _: m.update(tokenizer="{")), TRANSFORMER),
    "a tokenizer of another encoder": Kind(encoder(other_tokenizer), TRANSFORMER),
    "no padding token": Kind(tokenizer(pad_token=None), TRANSFORMER),
    "a padding token without a vector": Kind(tokenizer(pad_token="<unheard-of>"), TRANSFORMER),
    "no room for pieces": Kind(tokenizer(model_max_length=0), TRANSFORMER),
    "a limit that is a word": Kind(tokenizer(model_max_length="abc"), TRANSFORMER),
    # The encoder as version 0.1.0 wrote it
    "an old encoder": Kind(old(lambda m, _: None), None),
    "an old encoder's pickle with code": Kind(
        old_state(lambda place: {"x": Payload(place.marker)}), TRANSFORMER
    ),
    "an old encoder's bare pickle with code": Kind(
        lambda place: old(lambda m, _: m.update(state=__import__("pickle").dumps(Payload(place.marker))))(
            place
        ),
        TRANSFORMER,
    ),
    "an old encoder's weights are none": Kind(old_state(lambda place: {"x": "weight"}), TRANSFORMER),
    "an old encoder's weights are enormous views": Kind(old_state(expanded), TRANSFORMER),
    "an old encoder's file up in the tree": Kind(upwards, TRANSFORMER),
    "an old encoder's file at the root": Kind(absolute, TRANSFORMER),
    "an old encoder without a tokenizer": Kind(
        old(lambda m, _: m["tokenizer"].pop("tokenizer.json")), TRANSFORMER
    ),
    "an old config with code": Kind(old(lambda m, _: m["config"].update(auto_map=AUTO_MAP)), None),
    "an old tokenizer with code": Kind(old_tokenizer_config(auto_map=AUTO_MAP), None),
    "an old tokenizer of a class in Python": Kind(old_tokenizer_config(tokenizer_class="own.Own"), None),
    "an old tokenizer's own code": Kind(old_file("own.py", b"raise SystemExit"), None),
    # The head
    "an enormous head": Kind(head_config(hidden_width=ENORMOUS), HEAD),
    "an enormous distance": Kind(head_config(max_distance=ENORMOUS), HEAD),
    "enormously many blocks": Kind(head_config(depth=10**9), HEAD),
    "enormously many tags": Kind(head_config(n_tags=ENORMOUS), HEAD),
    "no heads": Kind(head_config(n_heads=0), HEAD),
    "an enormous first look": Kind(first_config(hidden_width=ENORMOUS), HEAD),
    "a first look at more features": Kind(first_config(input_width=17), HEAD),
    "a first look with other tags": Kind(first_config(n_tags=7), HEAD),
    "a negative width": Kind(head_config(input_width=-1), HEAD),
    "a width in words": Kind(head_config(hidden_width="32"), HEAD),
    "an unknown mask": Kind(head_config(mask="own"), HEAD),
    "a ratio that is not a number": Kind(head_config(pad_ratio=float("nan")), HEAD),
    "an unknown field": Kind(head_config(code="own"), HEAD),
    "a weight of the head is missing": Kind(head(lambda p, _: p["state"].pop("gate.weight")), HEAD),
    "a head that is a pickle with code": Kind(head_bytes(lambda p: torch_save(Payload(p.marker))), HEAD),
    "an old head with code among its weights": Kind(
        head_bytes(lambda p: torch_save({"config": {}, "state": {"x": Payload(p.marker)}})), HEAD
    ),
    "a head of one byte": Kind(head_bytes(lambda p: b"\x01"), HEAD),
    "a listener of enormous width": Kind(model(HEAD, listener_width), "posattn_ner"),
    "a table that is too short": Kind(model(HEAD, short_table), "posattn_ner"),
}
