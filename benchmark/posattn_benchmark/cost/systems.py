"""The measurements, by the names under which their figures are kept."""

from typing import Callable, Dict

from . import machine, ours, stock
from .workload import Figures, Workload

SYSTEMS: Dict[str, Callable[[Workload], Figures]] = {
    "matrix_product": machine.matrix_product,
    "raw_forward": machine.raw_forward,
    "raw_forward_bfloat16": machine.raw_forward_bfloat16,
    "encoding": ours.encoding,
    "stock_pipe": stock.pipe,
    "pipe": ours.pipe,
    "stock_frozen_training": stock.frozen_training,
    "stock_fine_tuning": stock.fine_tuning,
    "mask_curve": ours.mask_curve,
    "head_epoch": ours.head_epoch,
}
