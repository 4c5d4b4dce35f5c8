from typing import List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posattn_spacy.corpora.spacing import space_after

PUNCTUATION = ["'", '"', ".", ",", "(", ")", "[", "]", "$", "%", "-", "--", "/", "&", "#", "?", ":"]
WORDS = st.one_of(
    st.sampled_from([*PUNCTUATION, "'s", "n't", "''", "``", "\u201c", "\u2019", "US", "2008", "9"]),
    st.text(st.characters(exclude_characters=" "), min_size=1, max_size=6),
)


def render(words: List[str]) -> str:
    spaces = space_after(words)
    return "".join(f"{w} " if space else w for w, space in zip(words, spaces, strict=True))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("He left London .", "He left London."),
        ("VOA 's reporter does n't , she 'll see", "VOA's reporter doesn't, she'll see"),
        ("VOA \u2019s reporter", "VOA\u2019s reporter"),
        ("a $ 5 bill , US $ 3 , # 7", "a $5 bill, US$3, #7"),
        ("A $ 43 million contract", "A $43 million contract"),
        ("grew 5.3 % ( 6 %-plus )", "grew 5.3% (6%-plus)"),
        ("[ him ] and ( it ) ;", "[him] and (it);"),
        ('he said , " go " and " stay . "', 'he said, "go" and "stay."'),
        ('" Well ! " said she ; " you', '"Well!" said she; "you'),
        ('buried alive . "', 'buried alive."'),
        ("called ' beatboxing ' is n't", "called 'beatboxing' isn't"),
        ("was ' regrettable ' and a ' tragedy . '", "was 'regrettable' and a 'tragedy.'"),
        ("on the ' who 's likely to die ' list", "on the 'who's likely to die' list"),
        ("the workers ' party and Chavez ' visit", "the workers' party and Chavez' visit"),
        ("his in-laws ' house or wife 's relatives ' house", "his in-laws' house or wife's"),
        ('she said , " who ? \' he replied , " I . "', 'she said, "who?\' he replied, "I."'),
        ("most -- Africa - the continent \u2013 is", "most -- Africa - the continent \u2013 is"),
        ("in 2008 - 9 , the 13th - 15th", "in 2008-9, the 13th-15th"),
        ("killed in 1982 - after", "killed in 1982 - after"),
        ("in Iraq - 28 dead , $ 13 - $ 38", "in Iraq - 28 dead, $13 - $38"),
        ("HIV / AIDS", "HIV/AIDS"),
        ("Dow Jones & Co. , S & P , Seven & I", "Dow Jones & Co., S&P, Seven & I"),
        ("balance ... she leaned \u2026 .", "balance... she leaned\u2026."),
        ("Shi'ite and rock 'n roll in the '80s", "Shi'ite and rock 'n roll in the '80s"),
        ("`` No -LRB- maybe -RRB- ''", "``No -LRB-maybe-RRB-''"),
        ("\u201c entrenched \u201d", "\u201centrenched\u201d"),
    ],
)
def test_space_after_reads_naturally(words: str, text: str) -> None:
    assert render(words.split()).startswith(text)


@given(st.lists(WORDS, max_size=12))
@settings(deadline=None)
def test_space_after_keeps_every_word(words: List[str]) -> None:
    assert render(words).replace(" ", "") == "".join(words)
    assert not render(words).endswith(" ")


@given(st.lists(st.text(st.characters(categories=["L"]), min_size=1, max_size=6), max_size=12))
@settings(deadline=None)
def test_space_after_parts_plain_words(words: List[str]) -> None:
    assert render(words) == " ".join(words)
