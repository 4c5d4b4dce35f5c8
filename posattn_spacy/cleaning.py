"""Documents that outlive their pipeline: spaCy's `doc_cleaner` must leave them whole.

As spaCy sets it up by default, it puts None in the place of `doc.tensor`, upon which `span.as_doc()`,
`doc.vector` and `similarity` fail. Pipelines of version 0.1 were shipped with it like that.
"""

from typing import Any, Optional, Tuple
from weakref import ref

from spacy.language import Language
from spacy.pipeline.functions import DocCleaner


class Pipeline:
    """A reference to the pipeline that a component was made for, which neither keeps it nor is copied along.

    nlp (Optional[Language]): The pipeline.
    """

    def __init__(self, nlp: Optional[Language] = None) -> None:
        self._nlp: Any = (lambda: None) if nlp is None else ref(nlp)

    def __reduce__(self) -> Tuple[Any, ...]:
        return Pipeline, ()

    def leave_tensors(self) -> None:
        """Let a `doc_cleaner` leave `doc.tensor` alone, if it would put None in its place."""
        nlp = self._nlp()
        for _, pipe in [] if nlp is None else nlp.pipeline:
            if isinstance(pipe, DocCleaner) and pipe.cfg["attrs"].get("tensor", ()) is None:
                pipe.cfg["attrs"] = {k: v for k, v in pipe.cfg["attrs"].items() if k != "tensor"}
