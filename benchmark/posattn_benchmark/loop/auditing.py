"""Who finds planted errors: `audit`, a ranking by loss, and cleanlab, all on the same probabilities."""

import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np
import srsly
import torch
from spacy.tokens import Doc
from thinc.api import to_numpy

from posattn_spacy.annotating.audit import Finding, Held, findings_of, held_out, weighed
from posattn_spacy.calibration import only_pipe
from posattn_spacy.gold import count_labels
from posattn_spacy.lattice import Lattice

from .ground import Ground
from .planting import Error, plant, score_ranking

SHARE = 0.05  # of the entities
CLEANLAB = "cleanlab==2.7.1"
PLACE = Path("training/loop/cleanlab")  # an environment of its own: it wants an older numpy
PROGRAM = Path(__file__).with_name("with_cleanlab.py")  # not to be imported here
Place = Tuple[int, int, int]  # document, first token, one past the last


def measure(ground: Ground, variant: str) -> Dict[str, Any]:
    """Plant errors in train, and let all look for them.

    ground (Ground): Where.
    variant (str): Nothing; all are measured at once.
    RETURNS (Dict[str, Any]): `errors`, how many there are, and by name of who looks what `Hits` has.
    """
    bench = ground.bench(ground.corpus.words("train"))
    docs = ground.docs("train", bench.nlp.vocab)
    errors = plant(docs, sorted(count_labels(docs)), SHARE, ground.seed)
    held, temperature = held_out(bench, docs, seed=ground.seed)
    tokens = Tokens.of(held, temperature)
    _, pipe = only_pipe(bench.nlp)
    rankings = {
        "audit": [_place(each) for each in weighed(findings_of(held, temperature), docs, pipe.labels)],
        "loss": by_loss(tokens, docs),
        "cleanlab": by_cleanlab(tokens, docs),
    }
    scored = {name: score_ranking(ranked, errors)._asdict() for name, ranked in rankings.items()}
    return {"errors": len(errors), "kinds": _counts(errors), **scored}


def _counts(errors: Sequence[Error]) -> Dict[str, int]:
    kinds = [each.kind for each in errors]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def _place(finding: Finding) -> Place:
    """All tokens that a finding is about."""
    both = [each for each in (finding.given, finding.suggested) if each is not None]
    return finding.doc, min(each[0] for each in both), max(each[1] for each in both)


class Tokens(NamedTuple):
    """What is said of all tokens that have a gold tag, one after another.

    docs (np.ndarray): (tokens,) int64 document of each.
    places (np.ndarray): (tokens,) int64 where it stands there.
    tags (np.ndarray): (tokens,) int64 gold tags.
    probabilities (np.ndarray): (tokens, tags) float64.
    """

    docs: np.ndarray
    places: np.ndarray
    tags: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, held: Sequence[Held], temperature: float) -> "Tokens":
        """RETURNS (Tokens): What heads say, with scores divided by a temperature."""
        fields = []
        for each in held:
            lattice = Lattice(each.batch.scores / temperature, each.batch.lengths)
            docs = np.repeat(each.docs, to_numpy(each.scores.lengths))
            tags = each.batch.tags.numpy()
            every = docs, each.scores.places, tags, lattice.tag_probabilities().numpy()
            fields.append([field[tags >= 0] for field in every])
        return cls(*map(np.concatenate, zip(*fields, strict=True)))

    def places_of(self, docs: Sequence[Doc], rows: Sequence[int]) -> List[Place]:
        """RETURNS (List[Place]): What the tokens in these rows are part of, see `by_loss`."""
        missed = (self.tags == 0) & (self.probabilities.argmax(1) > 0)
        follows = np.append(False, (np.diff(self.docs) == 0) & (np.diff(self.places) == 1))
        first = ~(missed & np.append(False, missed[:-1]) & follows)
        group = first.cumsum() - 1  # neighbours that are missed are in one, any other token is alone
        starts = np.flatnonzero(first)
        stops = np.append(starts[1:], len(group)) - 1
        spans: Dict[Tuple[int, int], Place] = {
            (i, token): (i, ent.start, ent.end)
            for i, doc in enumerate(docs)
            for ent in doc.ents
            for token in range(ent.start, ent.end)
        }
        found = []
        for row in rows:
            own = group[row]
            doc, start, last = (
                int(each) for each in (self.docs[row], self.places[starts[own]], self.places[stops[own]])
            )
            found.append(spans.get((doc, int(self.places[row])), (doc, start, last + 1)))
        return found


def by_loss(tokens: Tokens, docs: Sequence[Doc]) -> List[Place]:
    """Rank tokens by the loss of their gold tag.

    tokens (Tokens): What heads say of documents that they have not seen.
    docs (Sequence[Doc]): The documents.
    RETURNS (List[Place]): The places, each the annotated entity that the token is in, or else all
        neighbouring tokens that are annotated as none and more probably are one's.
    """
    p = torch.from_numpy(tokens.probabilities).gather(1, torch.from_numpy(tokens.tags)[:, None]).squeeze(1)
    return tokens.places_of(docs, p.argsort(stable=True).tolist())


def by_cleanlab(tokens: Tokens, docs: Sequence[Doc]) -> List[Place]:
    """Rank tokens as cleanlab's token classification does; arguments and return as of `by_loss`."""
    changes = np.flatnonzero(np.diff(tokens.docs, prepend=-1, append=-1))
    with TemporaryDirectory() as folder:
        given, taken = Path(folder) / "given.npz", Path(folder) / "taken.json"
        np.savez(given, tags=tokens.tags, probabilities=tokens.probabilities, lengths=np.diff(changes))
        subprocess.run([_python(), str(PROGRAM), str(given), str(taken)], check=True)
        issues = srsly.read_json(taken)
    return tokens.places_of(docs, [int(changes[sentence]) + token for sentence, token in issues])


def _python() -> str:
    """The interpreter of cleanlab's environment, which is made if it is not there."""
    python = PLACE / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (PLACE / "made").is_file():
        venv.create(PLACE, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", CLEANLAB], check=True)
        (PLACE / "made").touch()
    return str(python)
