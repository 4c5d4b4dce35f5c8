"""The tags of tokens, as text."""

from spacy.tokens import Token


def iob_tag(token: Token) -> str:
    """RETURNS (str): The IOB2 tag of a token; "O" if it has none."""
    return f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type else "O"
