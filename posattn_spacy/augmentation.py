"""`posattn-spacy.retokenize.v1`: annotated texts as they are, and as the pipeline will split them."""

from typing import Callable, Iterator

from spacy.language import Language
from spacy.training import Example


def create_retokenize_augmenter_v1() -> Callable[[Language, Example], Iterator[Example]]:
    """Create an augmenter that adds texts with their names split by the pipeline's own tokenizer.

    Annotated tokens are often not spaCy's: a corpus that has `al-Qaida` in one piece does not show the model
    the three pieces in which it will meet the name in raw text.

    RETURNS (Callable[[Language, Example], Iterator[Example]]): The augmenter.
    """
    return retokenize


def retokenize(nlp: Language, example: Example) -> Iterator[Example]:
    """Go on with an example, and where the tokenizer splits a name in another way, with that as well.

    nlp (Language): The pipeline.
    example (Example): The example.
    YIELDS (Example): The example, and at most one more. There is none where all that is split in another way
        is in lower case, so that such texts do not outweigh others; nor where an entity would be lost,
        since it begins or ends within a token.
    """
    yield example
    reference = example.reference
    own = nlp.make_doc(reference.text)
    places = {(token.idx, len(token)) for token in own}
    moved = (token for token in example.predicted if (token.idx, len(token)) not in places)
    fits = all(own.char_span(ent.start_char, ent.end_char) for ent in reference.ents)
    if fits and any(not token.is_lower for token in moved):
        yield Example(own, reference)
