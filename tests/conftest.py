"""Fixtures and settings of the whole suite: fixed seeds, one thread, tiny encoders."""

import os
import random
from pathlib import Path
from typing import Callable, List

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's client is first imported
os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is first imported, also by processes that tests start
os.environ |= {"RAY_worker_niceness": "0"}  # Ray spells it so; else its workers wait for all other tests

import numpy as np
import pytest
import torch
from hypothesis import settings

from encoders import WRITERS

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the component's tests run on a GPU, whose number is given."""
    parser.addoption("--gpu", type=int, default=-1, help="run the tests marked `gpu`, and on this GPU")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the GPU before anything is built."""
    if config.getoption("--gpu") >= 0:
        import spacy  # not there where the encoder is tested with transformers 5

        spacy.require_gpu(config.getoption("--gpu"))


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """Begin with the file that takes longest, lest one worker is left alone with it in the end."""
    items.sort(key=lambda item: item.path.name != "test_project.py")
    if config.getoption("--gpu") >= 0:
        items[:] = [item for item in items if item.get_closest_marker("gpu")]


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Let every test draw the same random numbers, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the folder of a tiny random encoder, by its family in `encoders.WRITERS`."""
    root = tmp_path_factory.mktemp("encoders")
    # Written beforehand: a test that wrote its own would draw other random numbers than one that finds it.
    folders = {family: write(root / family) for family, write in WRITERS.items()}
    return folders.__getitem__
