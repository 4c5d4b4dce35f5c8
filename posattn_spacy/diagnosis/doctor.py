"""`spacy posattn doctor`: all checks of a trained pipeline, one after another."""

from itertools import islice
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..attention import PositionalTagger
from ..calibration import decode, posattn_pipes
from ..component import PositionalNER
from ..evaluation import scored_batches
from ..frozen.callback import find_frozen_transformers
from ..gold import count_labels
from ..model import torch_head
from .corpus_checks import check_corpus
from .encoder_checks import check_encoder
from .findings import Finding
from .head_checks import check_head
from .log_checks import NO_LOG, check_log, read_log
from .look_checks import check_looks
from .probes import examine
from .score_checks import check_scores

COMPARED_DOCS = 8  # with the original encoder

Chapter = Tuple[str, List[Finding]]


def diagnose(
    nlp: Language, examples: Sequence[Example], log: Optional[Path], docs: Optional[Sequence[Doc]] = None
) -> Iterator[Chapter]:
    """Check every `posattn_ner` of a pipeline, and what it rests on.

    nlp (Language): The trained pipeline.
    examples (Sequence[Example]): Annotated documents.
    log (Optional[Path]): The log of its training.
    docs (Optional[Sequence[Doc]]): The documents as they are stored, which spaCy's reader may have cut at
        sentences; the examples' references if not given.
    YIELDS (Chapter): Title and findings of one part after another.
    RAISES (LogError): If the log can't be read.
    """
    docs = [example.reference for example in examples] if docs is None else docs
    encoders = find_frozen_transformers(nlp)
    for encoder in encoders:
        yield "The frozen encoder", list(check_encoder(encoder, list(islice(examples, COMPARED_DOCS))))
    for name, pipe in posattn_pipes(nlp):
        yield f"The documents, for '{name}'", list(check_corpus(nlp, pipe, encoders, examples, docs))
        yield f"The head of '{name}'", _check_head(nlp, pipe, examples)
        decoded = list(map(decode, scored_batches(nlp, pipe, examples)))
        gold = count_labels(docs)
        yield (
            f"What '{name}' finds",
            list(check_scores(pipe, decoded, [gold[label] for label in pipe.labels])),
        )
        looks = list(check_looks(pipe, decoded))
        if looks:
            yield f"The two looks of '{name}'", looks
        history = [NO_LOG] if log is None else _check_log(nlp, name, pipe, log)
        yield f"The training of '{name}'", history


def _check_head(nlp: Language, pipe: PositionalNER, examples: Sequence[Example]) -> List[Finding]:
    head = torch_head(pipe.model)
    if not isinstance(head, PositionalTagger):
        return [
            Finding("unknown", "The model is no posattn-spacy.PosAttnTagger: it has no gate and no mask.")
        ]
    return list(check_head(head, examine(nlp, pipe, examples)))


def _check_log(nlp: Language, name: str, pipe: PositionalNER, log: Path) -> List[Finding]:
    return list(check_log(read_log(log, name), nlp.config, pipe.cfg["positional_weight"]))


def count_verdicts(sections: Sequence[Chapter]) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): How many findings there are of each verdict."""
    verdicts = [finding.verdict for _, findings in sections for finding in findings]
    return {verdict: verdicts.count(verdict) for verdict in ("pass", "warn", "unknown")}
