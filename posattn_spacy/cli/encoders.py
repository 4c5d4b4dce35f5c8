"""`posattn compare-encoders`: which encoder suits a corpus."""

import subprocess
from pathlib import Path
from typing import Annotated, Dict, List

import typer
from wasabi import msg

from .shared import GpuId, blank, fetched, insist_entities, read


def compare_encoders(
    encoders: Annotated[
        List[str],
        typer.Argument(
            help="all-MiniLM-L6-v2, folders, or names on the hub; with :3 after it, its first three layers"
        ),
    ],
    train: Annotated[Path, typer.Option(help="Training documents, as .spacy file or folder")],
    dev: Annotated[Path, typer.Option(help="Documents to measure on, likewise")],
    output: Annotated[Path, typer.Option(help="Folder for configs, pipelines and figures")] = Path(
        "encoders"
    ),
    lang: Annotated[str, typer.Option(help="Language code")] = "en",
    gpu_id: GpuId = -1,
) -> None:
    """Train with several encoders, and show what each gives and costs.

    What has been tried already is not tried again.
    """
    from ..frozen.download import short_name
    from ..starting.config import make_config
    from ..starting.encoders import STORE, Tried, try_encoder

    nlp = blank(lang)
    docs = {path: read(path, nlp) for path in (train, dev)}
    insist_entities(docs[train], train, "learn")
    insist_entities(docs[dev], dev, "measure")
    tried: Dict[str, Tried] = {}
    failed: Dict[str, Exception] = {}
    for name in encoders:
        msg.divider(name)
        own = output / short_name(name)
        try:
            folder = fetched(name)
            start = make_config(train, dev, sum(map(len, docs[dev])), folder, lang, own / STORE)
            tried[name] = try_encoder(start.config, dev, own, gpu_id)
        except (ImportError, OSError, ValueError, subprocess.CalledProcessError) as error:
            failed[name] = error
            msg.warn(f"{name} could not be tried: {error}")
    best = max((each.span_f for each in tried.values()), default=0.0)
    rows = [
        (
            name,
            f"{each.span_f:.3f}{' *' * (each.span_f == best)}",
            f"{each.macro_f:.3f}",
            f"{each.minutes:.1f}",
            f"{each.words_per_s:,.0f}",
            "–" if each.peak_bytes is None else f"{each.peak_bytes / 1e9:.2f}",
            f"{each.bytes / 1e6:,.0f}",
        )
        for name, each in tried.items()
    ]
    header = ("encoder", "span F1", "macro F1", "minutes", "words/s", "memory, GB", "size, MB")
    msg.divider("On dev")
    msg.table(rows, header=header, aligns=("l", *"r" * (len(header) - 1)), divider=True)
    if failed:
        msg.fail(f"{len(failed)} of {len(encoders)} encoders could not be tried, see above.", exits=1)
    msg.good(f"Pipelines in {output}; the best one is marked")
