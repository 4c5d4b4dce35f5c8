"""Augmenters that a feature store can serve, since they make few different texts of one."""

import random
from typing import Callable, Iterator, List

from spacy.language import Language
from spacy.training import Example

from .gold import same_words

Augmenter = Callable[[Language, Example], Iterator[Example]]


def create_retokenize_augmenter_v1() -> Augmenter:
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
    if same_words(own, example.predicted):
        return
    places = {(token.idx, len(token)) for token in own}
    moved = (token for token in example.predicted if (token.idx, len(token)) not in places)
    fits = all(own.char_span(ent.start_char, ent.end_char) for ent in reference.ents)
    if fits and any(not token.is_lower for token in moved):
        yield Example(own, reference)


def create_pool_augmenter_v1(augmenter: Augmenter, variants: int = 2, seed: int = 0) -> Augmenter:
    """Create an augmenter that lets another one make only so many different things of a text.

    spaCy's own augmenters draw anew in every epoch, so that the frozen encoder would have to run in every
    epoch, too.

    augmenter (Callable[[Language, Example], Iterator[Example]]): The other one.
    variants (int): How many different outcomes a text may have, what it is among them.
    seed (int): Decides about the outcomes; which of them comes is still drawn anew.
    RETURNS (Callable[[Language, Example], Iterator[Example]]): The augmenter.
    RAISES (ValueError): If the number is not positive.
    """
    if variants < 1:
        raise ValueError(f"corpora.train.augmenter.variants = {variants}: give at least 1.")

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        variant = random.randrange(variants)
        state = random.getstate()
        random.seed(f"{seed} {variant} {example.reference.text}")
        try:
            outcome: List[Example] = list(augmenter(nlp, example))
        finally:
            random.setstate(state)
        yield from outcome

    return augment
