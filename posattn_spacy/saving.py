"""Modules as bytes that hold no code, and back (safetensors, and JSON-like data beside them).

What is read may be damaged, or made by somebody who means harm: nothing in it is run, and no memory is taken
for weights that are not there.
"""

import io
import json
import threading
import zlib
from collections import Counter
from contextlib import contextmanager
from hashlib import blake2b
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    Mapping,
    Tuple,
    Type,
    TypeVar,
    Union,
    get_args,
    get_type_hints,
)

import safetensors.torch
import srsly
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

TORCH_SAVE = b"PK"  # how the files of `torch.save` begin, with which version 0.1.0 wrote heads and encoders
REMEDY = (
    "Take the folder from a copy, or install the pipeline's package again; without either, train it anew."
)
T = TypeVar("T")
BUFFER_ROOM = 1 << 24  # numbers that a module may keep beside its weights, such as positions


class SavedError(ValueError):
    """What has been saved can't be used.

    what (str): What it is, and where.
    why (str): What is wrong with it.
    """

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} can't be used: {why}. {REMEDY}")
        self.why = f"{what}: {why}"


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Say of every failure in the block that something saved can't be used.

    Damage shows itself in errors of many kinds, wherever it is first noticed.

    what (str): What is read, and where.
    RAISES (SavedError): In place of any other error.
    """
    try:
        yield
    except SavedError as error:
        raise SavedError(what, error.why) from error
    except (MemoryError, torch.OutOfMemoryError):
        raise  # sizes are checked beforehand: it is this machine that lacks memory
    except Exception as error:
        why = str(error).strip().rstrip(".")
        told = isinstance(error, ValueError) and why
        raise SavedError(what, why if told else f"{type(error).__name__} {why}".strip()) from error


def sealed(parts: Dict[str, Union[str, bytes]]) -> bytes:
    """Write strings and bytes with a checksum, which tells of damage.

    parts (Dict[str, Union[str, bytes]]): The parts by name.
    RETURNS (bytes): msgpack.
    """
    return srsly.msgpack_dumps({**parts, "checksum": _checksum(parts)})


def require_whole(message: Dict[str, Any]) -> None:
    """Insist that a message is as `sealed` wrote it.

    message (Dict[str, Any]): What was read.
    RAISES (Exception): If it is damaged, a ValueError unless it lacks strings and bytes.
    """
    parts = {name: part for name, part in message.items() if name != "checksum"}
    if message["checksum"] != _checksum(parts):
        raise ValueError("it is not as it was written: its checksum is another one")


def _checksum(parts: Dict[str, Union[str, bytes]]) -> int:
    checksum = 0
    for name, part in sorted(parts.items()):
        for each in (name, part):
            checksum = zlib.crc32(each.encode() if isinstance(each, str) else each, checksum)
    return checksum


def tensors_to_bytes(tensors: Dict[str, Tensor]) -> bytes:
    """Write tensors; the same ones always give the same bytes.

    tensors (Dict[str, Tensor]): The tensors by name, of any layout in memory. Names may share a tensor.
    RETURNS (bytes): msgpack, with the tensors as safetensors and the names that share them.
    """
    kept: Dict[Any, str] = {}
    shared = {name: kept.setdefault(_view(tensor), name) for name, tensor in tensors.items()}
    storages = Counter(tensors[name].untyped_storage().data_ptr() for name in kept.values())
    alone = {}
    for name in kept.values():
        tensor = tensors[name].detach()
        # safetensors takes no storage twice, not even other parts of it
        is_part = storages[tensor.untyped_storage().data_ptr()] > 1
        alone[name] = (tensor.clone() if is_part else tensor).cpu().contiguous()
    return srsly.msgpack_dumps(
        {
            "tensors": safetensors.torch.save(alone),
            "shared": {name: own for name, own in sorted(shared.items()) if name != own},
        }
    )


def add_tensors(digest: blake2b, tensors: Mapping[str, Tensor]) -> None:
    """Add names, types, shapes and numbers of tensors to a digest.

    digest (blake2b): The digest.
    tensors (Mapping[str, Tensor]): The tensors by name; their order does not matter.
    """
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)


def _view(tensor: Tensor) -> Any:
    """What two names that share a tensor have in common."""
    place = tensor.data_ptr() if tensor.numel() else id(tensor)
    return place, tensor.device, tensor.dtype, tuple(tensor.shape), tensor.stride()


def tensors_from_bytes(data: bytes) -> Dict[str, Tensor]:
    """Read what `tensors_to_bytes` wrote.

    data (bytes): The bytes.
    RETURNS (Dict[str, Tensor]): The tensors by name, on the CPU.
    RAISES (Exception): If they are damaged, of whatever kind the libraries raise.
    """
    message = srsly.msgpack_loads(data)
    read = safetensors.torch.load(message["tensors"])
    # In memory of torch's own, which is aligned: the last digit of a product depends on that.
    tensors = {name: tensor.clone() for name, tensor in read.items()}
    return {**tensors, **{name: tensors[own] for name, own in message["shared"].items()}}


def torch_saved(data: bytes) -> Any:
    """Read what `torch.save` wrote, with which version 0.1.0 saved: weights and plain data, never code.

    data (bytes): The bytes.
    RETURNS (Any): What was saved.
    RAISES (Exception): If it is damaged or holds anything else.
    """
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def require_fit(build: Callable[[], nn.Module], state: Dict[str, Tensor]) -> None:
    """Insist that tensors are those of a module, before any memory is taken for it.

    build (Callable[[], nn.Module]): Builds the module.
    state (Dict[str, Tensor]): The tensors by name.
    RAISES (ValueError): If one is missing, superfluous or of another shape.
    """
    with torch.device("meta"), _parameters_limited(2 * len(state) + 100):
        module = build()
    wanted = module.state_dict()
    if not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError("among its weights is something else")
    for name in sorted(wanted.keys() | state.keys()):
        if name not in state or name not in wanted:
            kind = "missing" if name in wanted else "superfluous"
            raise ValueError(f"its weights are not those of its config ('{name}' is {kind})")
        tensor, shape = state[name], tuple(wanted[name].shape)
        if tuple(tensor.shape) != shape:
            raise ValueError(f"'{name}' has the shape {tuple(tensor.shape)}, its config says {shape}")
        if tensor.layout != torch.strided or tensor.untyped_storage().nbytes() < tensor.nbytes:
            raise ValueError(f"'{name}' has fewer numbers than its shape says")
    if sum(buffer.numel() for buffer in module.buffers()) > _numel(state) + BUFFER_ROOM:
        raise ValueError("its config asks for more memory than its weights take")


def _numel(state: Dict[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in state.values())


@contextmanager
def _parameters_limited(limit: int) -> Iterator[None]:
    """Stop the building of a module that has more parameters than `limit`, in this thread."""
    thread, n_registered = threading.get_ident(), 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal n_registered
        n_registered += threading.get_ident() == thread
        if n_registered > limit:
            raise ValueError("its config asks for more weights than there are")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def rebuilt(kind: Type[T], values: Dict[str, Any]) -> T:
    """Make a dataclass of values that were read, each of the type that its field declares.

    kind (Type[T]): The dataclass; its fields are numbers, bools, strings or literals.
    values (Dict[str, Any]): Its fields.
    RETURNS (T): The dataclass.
    RAISES (ValueError): If one has another type, is unknown or missing.
    """
    declared = get_type_hints(kind)
    for name, value in values.items():
        if name not in declared:
            raise ValueError(f"its config has an unknown field {name!r}")
        wanted = declared[name]
        fits = value in get_args(wanted) if get_args(wanted) else type(value) is wanted
        if not fits and not (wanted is float and type(value) is int):
            raise ValueError(f"its config has {name} = {value!r}")
    return kind(**values)


def head_to_bytes(config: Dict[str, Any], state: Dict[str, Tensor]) -> bytes:
    """Write a head.

    config (Dict[str, Any]): The fields of its config.
    state (Dict[str, Tensor]): Its weights.
    RETURNS (bytes): The bytes.
    """
    return sealed({"config": json.dumps(config), "state": tensors_to_bytes(state)})


def head_from_bytes(data: bytes) -> Tuple[Dict[str, Any], Dict[str, Tensor]]:
    """Read what `head_to_bytes` wrote, or version 0.1.0 with `torch.save`.

    data (bytes): The bytes.
    RETURNS (Tuple[Dict[str, Any], Dict[str, Tensor]]): The fields of its config, and its weights.
    RAISES (Exception): If they are damaged, of whatever kind the libraries raise.
    """
    if data.startswith(TORCH_SAVE):
        message = torch_saved(data)
        return message["config"], message["state"]
    message = srsly.msgpack_loads(data)
    require_whole(message)
    return json.loads(message["config"]), tensors_from_bytes(message["state"])
