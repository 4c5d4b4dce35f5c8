"""The measurements, by the names under which their figures are kept."""

from functools import partial
from typing import Callable, Dict

from . import base, beginning, machine, ours, stock
from .workload import Figures, Workload

ALL_ENCODED = {"components.posattn_ner.second_look": None}
FLOAT32 = {f"components.{name}.model.mixed_precision": False for name in ("transformer", "posattn_ner")}
SMALL = (200, 1000)  # sentences
ONE_HEAD = {"components.posattn_ner.model.first_width": 0}
SYSTEMS: Dict[str, Callable[[Workload], Figures]] = {
    "matrix_product": machine.matrix_product,
    "raw_forward": machine.raw_forward,
    "raw_forward_bfloat16": machine.raw_forward_bfloat16,
    "encoding": ours.encoding,
    "stock_pipe": stock.pipe,
    "cnn_pipe": stock.cnn_pipe,
    "pipe": ours.pipe,
    "pipe_all": partial(ours.pipe, changes=ALL_ENCODED),
    "pipe_float32": partial(ours.pipe, changes=FLOAT32),
    "pipe_float32_all": partial(ours.pipe, changes={**FLOAT32, **ALL_ENCODED}),
    "pipe_apart": ours.pipe_apart,
    "base_pipe": base.pipe,
    "stock_base_pipe": base.stock_pipe,
    "cold_start": beginning.cold_start,
    "stock_cold_start": beginning.stock_cold_start,
    **{f"training_{size}": partial(beginning.small_training, sentences=size) for size in SMALL},
    "stock_frozen_training": stock.frozen_training,
    "stock_fine_tuning": stock.fine_tuning,
    "mask_curve": ours.mask_curve,
    "head_epoch": ours.head_epoch,
    "one_head_epoch": partial(ours.head_epoch, changes=ONE_HEAD),
}
