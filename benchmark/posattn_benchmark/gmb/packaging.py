"""What a packaged pipeline says about itself: licence, sources, figures and limits."""

from pathlib import Path
from typing import Any, Dict

GMB_LIMITS = (
    "Limits: trained on silver annotation (Groningen Meaning Bank: machine-made, partly corrected by "
    "hand), news text in English; gpe is mostly nationality words, countries are geo; art, eve and nat "
    "are rare and weak."
)
SOURCES = {
    "gmb": {
        "name": "Groningen Meaning Bank, as the Annotated Corpus for Named Entity Recognition",
        "url": "https://www.kaggle.com/datasets/abhinavwalia95/entity-annotated-corpus",
        "license": "ODbL 1.0 / DbCL 1.0",
        "author": "Johan Bos, Valerio Basile, Kilian Evang and others; Kaggle: Abhinav Walia",
    },
    "sample": {
        "name": "posattn-spacy sample corpus, which is far too small for use",
        "url": "",
        "license": "CC0 1.0",
        "author": "The posattn-spacy developers",
    },
    "own": {
        "name": "a corpus of the packager's own",
        "url": "",
        "license": "as the packager says",
        "author": "the packager",
    },
}
MINILM_NAME = "all-MiniLM-L6-v2"
MINILM = {
    "name": f"{MINILM_NAME} (frozen encoder)",
    "url": "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    "license": "Apache-2.0",
    "author": "sentence-transformers",
}


def package_meta(meta: Dict[str, Any], measured: Dict[str, Any], encoder: str) -> Dict[str, Any]:
    """Complete a trained pipeline's meta for `spacy package`.

    meta (Dict[str, Any]): The meta.json of the trained pipeline.
    measured (Dict[str, Any]): What the benchmark command wrote; test figures go beside spaCy's own, which are
        of the dev part.
    encoder (str): Name of the encoder.
    RETURNS (Dict[str, Any]): The meta to package with.
    """
    encoder_name = Path(encoder).name  # a folder's place is nobody's business
    encoder_source = {
        "name": f"{encoder_name} (frozen encoder)",
        "url": "",
        "license": "as its model card says",
    }
    kind = measured["source"]
    labels = ", ".join(sorted(label for pipe in meta["labels"].values() for label in pipe))
    description = (
        f"Named entity recognition with positional attention on a frozen transformer. Types: {labels}."
    )
    ours = {"author": "The posattn-spacy developers", "license": "MIT"} if kind != "own" else {}
    about = {"split": measured["split"], "corpus": measured["source"]}
    return {
        **meta,
        **ours,
        "description": f"{description} {GMB_LIMITS}" if kind == "gmb" else description,
        "sources": [SOURCES[kind], MINILM if encoder_name == MINILM_NAME else encoder_source],
        "performance": {
            **meta.get("performance", {}),
            "test": {**measured["test"], **about},
            "test_without_duplicates": {**measured["test_without_duplicates"], **about},
        },
    }
