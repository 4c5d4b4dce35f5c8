"""What a component needs of the others in its pipeline, and mends in them.

spaCy's `doc_cleaner`, as it is set up by default and in pipelines of version 0.1.0, puts None in the place of
`doc.tensor`, upon which `span.as_doc()`, `doc.vector` and `similarity` fail. And threads must take turns
with a stock transformer.
"""

from typing import Any, Optional, Tuple
from weakref import ref

from spacy.language import Language
from spacy.pipeline.functions import DocCleaner
from spacy_transformers import Transformer

from .frozen.taking_turns import take_turns


class Pipeline:
    """A reference to the pipeline that a component was made for, which neither keeps it nor is copied along.

    nlp (Optional[Language]): The pipeline.
    """

    def __init__(self, nlp: Optional[Language] = None) -> None:
        self._nlp: Any = (lambda: None) if nlp is None else ref(nlp)

    def __reduce__(self) -> Tuple[Any, ...]:
        return Pipeline, ()

    def others_read(self, name: str) -> bool:
        """Say whether a transformer had better read all texts, whatever a component does.

        name (str): Name of the component.
        RETURNS (bool): Whether another one behind it listens to the same transformer, and they ask for as
            many words as there are: the other for all, or each for a part that the other may not need.
        """
        nlp = self._nlp()
        names = [] if nlp is None else nlp.pipe_names
        if name not in names:
            return False
        behind = dict(nlp.pipeline[names.index(name) + 1 :])
        own = [pipe for _, pipe in nlp.pipeline if name in getattr(pipe, "listening_components", ())]
        others = {other for pipe in own for other in pipe.listening_components} & behind.keys()
        asked = sum(getattr(pipe, "share_encoded", 1.0) for pipe in map(nlp.get_pipe, [name, *others]))
        return bool(others) and asked >= 1

    def mend(self) -> None:
        """Let a `doc_cleaner` leave `doc.tensor` alone, and threads take turns with a stock transformer."""
        nlp = self._nlp()
        for _, pipe in [] if nlp is None else nlp.pipeline:
            if isinstance(pipe, DocCleaner) and pipe.cfg["attrs"].get("tensor", ()) is None:
                pipe.cfg["attrs"] = {k: v for k, v in pipe.cfg["attrs"].items() if k != "tensor"}
            if isinstance(pipe, Transformer):
                take_turns(pipe.model)
