"""What is known about the published corpus; the one place in code where these figures stand."""

from dataclasses import dataclass
from typing import Tuple

from posattn_spacy.corpora.sentences import Counts


@dataclass(frozen=True)
class KnownCorpus:
    """What is known about a published corpus.

    file_name (str): The name of the csv file; its archive has ".zip" after it.
    url (str): Where the archive can be downloaded.
    md5 (str): The checksum of the csv file.
    zip_md5 (str): The checksum of the archive under the URL.
    encoding (str): The encoding of the csv file.
    counts (Counts): What is in it, the cut-off last sentence included.
    """

    file_name: str
    url: str
    md5: str
    zip_md5: str
    encoding: str
    counts: Counts

    @property
    def file_names(self) -> Tuple[str, str]:
        """The names under which the corpus is looked for, in this order."""
        return (f"{self.file_name}.zip", self.file_name)


GMB = KnownCorpus(
    file_name="ner_dataset.csv",
    url="https://raw.githubusercontent.com/codingtime123/Named-Entity-Recognition-with-NLP/"
    "bae7eccc99b1ca894587a959e3d1a707d7f0853a/ner_dataset.csv.zip",
    md5="0c5f5151df296234941d06f30305d9f6",
    zip_md5="cd87fe0ba4d64cb1d947994317f2b508",
    encoding="cp1252",
    counts=Counts(
        sentences=47_959,
        tokens=1_048_575,
        entities=111_891,
        types={
            "geo": 37_644,
            "tim": 20_333,
            "org": 20_143,
            "per": 16_990,
            "gpe": 15_870,
            "art": 402,
            "eve": 308,
            "nat": 201,
        },
    ),
)
