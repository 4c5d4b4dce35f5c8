"""`posattn store`: what is in a feature store, and how to look after it."""

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Iterator

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from ..telling import told
from .shared import GpuId, use_gpu

store = typer.Typer(
    name="store", help="The feature store, in which the frozen encoder's output is kept", no_args_is_help=True
)
StorePath = Annotated[Path, typer.Argument(help="Folder of the store")]


@store.command("info")
def info(path: StorePath) -> None:
    """Show what is in a store: encoder, texts, size and hit rate."""
    from ..frozen.maintenance import contents_of
    from ..frozen.store import StoreError

    with told(StoreError):
        contents = contents_of(path)
    lookups = contents.hits + contents.misses
    used = contents.last_used
    layers = ", ".join(
        str(layer) if n == contents.texts else f"{layer} ({n:,} texts)"
        for layer, n in contents.layers.items()
    )
    msg.table(
        [
            ("Encoder", contents.about.encoder),
            ("Fingerprint", contents.about.fingerprint),
            ("Layers", layers or "-"),
            ("Numbers", f"{contents.about.width} × {contents.about.dtype} per token and layer"),
            ("Texts", f"{contents.texts:,}"),
            ("Tokens", f"{contents.tokens:,}"),
            ("Size on disk", f"{contents.disk_bytes / 1e9:.3f} GB"),
            ("Hit rate", f"{contents.hits / lookups:.1%} of {lookups:,} lookups" if lookups else "-"),
            ("Last used", f"{datetime.fromtimestamp(used):%Y-%m-%d %H:%M}" if used else "-"),
        ]
    )


@store.command("verify")
def verify_store(path: StorePath) -> None:
    """Check every record of a store against what was written."""
    from tqdm import tqdm

    from ..frozen.maintenance import verify
    from ..frozen.store import StoreError

    def progress(records: Iterator[Any], total: int) -> Iterator[Any]:
        return iter(tqdm(records, total=total, unit=" records", disable=None))

    with told(StoreError):
        verified = verify(path, progress)
    if verified.damaged:
        msg.fail(
            f"{verified.damaged:,} of {verified.records:,} records differ from what was written. Training "
            "and `store warm` encode their texts anew.",
            exits=1,
        )
    msg.good(f"All {verified.records:,} records are as they were written.")


@store.command("prune")
def prune_store(
    path: StorePath,
    max_gb: Annotated[float, typer.Option(min=0, help="Size in 10⁹ bytes that the store may keep")],
) -> None:
    """Remove the texts that were not used for longest, and give their space back."""
    from ..frozen.maintenance import prune
    from ..frozen.store import StoreError

    with told(StoreError):
        pruned = prune(path, max_gb)
    msg.good(
        f"Removed {pruned.removed:,} texts, kept {pruned.kept:,}; "
        f"{pruned.bytes_before / 1e9:.3f} GB are now {pruned.bytes_after / 1e9:.3f} GB."
    )


@store.command("warm", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def warm_store(
    context: typer.Context,
    config_path: Annotated[Path, typer.Argument(exists=True, help="Training config")],
    gpu_id: GpuId = -1,
) -> None:
    """Encode the texts that a config trains and evaluates on ahead of training.

    Further options override settings of the config, as with `spacy train`.
    """
    from spacy.util import load_config
    from tqdm import tqdm

    from ..frozen.store import StoreError
    from ..frozen.warming import corpora_docs, open_for_warming, warm

    overrides = parse_config_overrides(list(context.args))
    use_gpu(gpu_id)
    with told(OSError, ValueError):
        config = load_config(config_path, overrides=overrides, interpolate=True)
        nlp, transformers, stores = open_for_warming(config)
        docs = corpora_docs(config, nlp)
    n_words = sum(len(doc) for doc in docs)
    started = time.monotonic()
    with told(StoreError), tqdm(total=n_words, unit=" words", unit_scale=True) as progress:
        for words in warm(transformers, stores, docs):
            progress.update(words)
    seconds = time.monotonic() - started
    msg.good(f"{len(docs):,} texts, {n_words:,} words in {seconds:,.0f} s: {n_words / seconds:,.0f} words/s")
