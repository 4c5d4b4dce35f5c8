"""Mixed precision: models run in bfloat16 where the hardware is faster at it, with weights in float32."""

from typing import ContextManager

import torch
from torch.nn import functional as F

# What torch calls the instructions for bfloat16 of x86 and Arm processors.
BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
ROWS = 64  # of which a number that is multiplied in bfloat16 on a CPU is made a multiple


def bfloat16_is_fast(device: torch.device) -> bool:
    """Find out whether a device multiplies matrices faster in bfloat16 than in float32.

    Processors without instructions for it can do it too, but take longer than in float32.

    device (torch.device): A processor or a GPU.
    RETURNS (bool): Whether it has instructions for bfloat16; False if this version of torch can't tell.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BFLOAT16_INSTRUCTIONS)


def precision(device: torch.device, mixed: bool) -> ContextManager[None]:
    """Make the context in which a model is run.

    device (torch.device): Where it is run.
    mixed (bool): Whether its matrix products may be in bfloat16.
    RETURNS (ContextManager[None]): Mixed precision if it is wanted and the device is fast at it.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=mixed and bfloat16_is_fast(device))


def product_type(weight: torch.Tensor) -> torch.dtype:
    """RETURNS (torch.dtype): The type in which a matrix is multiplied in the present context."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype


def filled(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Put zeros behind rows before they are multiplied, so that their number is one that comes often.

    For bfloat16 a CPU's kernels are compiled for each number of rows. While nearly all of these differed, a
    quarter of a training went into compiling kernels, and forgetting them again.

    rows (Tensor): (rows, width).
    weight (Tensor): What they are multiplied with, in the present context.
    RETURNS (Tensor): (at least as many rows, width); the same where the number does not matter.
    """
    compiled = weight.device.type == "cpu" and product_type(weight) == torch.bfloat16
    return F.pad(rows, (0, 0, 0, -len(rows) % ROWS)) if compiled else rows
