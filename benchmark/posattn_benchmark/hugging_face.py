"""Token classification as Hugging Face's own library does it: training, and a component that runs it."""

from pathlib import Path
from typing import Annotated, Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import spacy
import srsly
import torch
import typer
from seqeval.metrics.sequence_labeling import f1_score
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.training import Corpus, biluo_tags_to_spans, iob_to_biluo
from spacy.util import minibatch
from spacy.vocab import Vocab
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
)

from posattn_spacy.precision import bfloat16_is_fast

from .tags import iob_tag

FACTORY = "posattn_hugging_face"
IGNORED = -100  # what torch's cross entropy leaves out
OUTSIDE = "O"
BATCH = 64  # documents that are run together


class TokenClassifier(Pipe):
    """Runs a token classifier of Hugging Face.

    vocab (Vocab): The shared vocabulary.
    name (str): The component's name in the pipeline.
    """

    def __init__(self, vocab: Vocab, name: str = FACTORY) -> None:
        self.vocab = vocab
        self.name = name
        self.tokenizer: Any = None
        self.model: Any = None

    def __call__(self, doc: Doc) -> Doc:
        """Tag a document, whose entities are replaced."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Tag documents batch by batch."""
        for docs in minibatch(stream, batch_size):
            ordered = sorted(docs, key=len)  # so that little is padded
            for part in minibatch(ordered, BATCH):
                tagged = self._tag([[token.text for token in doc] for doc in part])
                for doc, tags in zip(part, tagged, strict=True):
                    doc.set_ents(biluo_tags_to_spans(doc, iob_to_biluo(tags)))
            yield from docs

    @torch.inference_mode()
    def _tag(self, texts: Sequence[List[str]]) -> List[List[str]]:
        """The tag of each word, which is that of its first piece; words without a piece have none."""
        pieces = self.tokenizer(
            list(texts), is_split_into_words=True, truncation=True, padding=True, return_tensors="pt"
        )
        best = self.model(**pieces).logits.argmax(-1).numpy()
        tags = [[OUTSIDE] * len(words) for words in texts]
        for i, of_text in enumerate(tags):
            for word, piece in first_pieces(pieces.word_ids(i)):
                of_text[word] = self.model.config.id2label[int(best[i, piece])]
        return tags

    def to_disk(self, path: Path, *, exclude: Sequence[str] = ()) -> None:
        """Write tokenizer and classifier to a folder."""
        self.tokenizer.save_pretrained(path)
        self.model.save_pretrained(path)

    def from_disk(self, path: Path, *, exclude: Sequence[str] = ()) -> "TokenClassifier":
        """Read tokenizer and classifier from a folder."""
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.model = AutoModelForTokenClassification.from_pretrained(path).eval()
        return self


def first_pieces(words: Sequence[Optional[int]]) -> List[Tuple[int, int]]:
    """RETURNS (List[Tuple[int, int]]): Each word, and the place of its first piece."""
    return [
        (word, place)
        for place, word in enumerate(words)
        if word is not None and (place == 0 or words[place - 1] != word)
    ]


def encode(docs: Sequence[Doc], tokenizer: Any, tags: Sequence[str]) -> List[Dict[str, Any]]:
    """Make what the trainer learns from.

    docs (Sequence[Doc]): Annotated documents.
    tokenizer (Any): Cuts words into pieces.
    tags (Sequence[str]): All tags, in the order of their numbers.
    RETURNS (List[Dict[str, Any]]): Pieces and labels of each document; a word's tag is that of its first
        piece.
    """
    numbers = {tag: number for number, tag in enumerate(tags)}
    rows = []
    for doc in docs:
        pieces = tokenizer([token.text for token in doc], is_split_into_words=True, truncation=True)
        labels = [IGNORED] * len(pieces["input_ids"])
        for word, place in first_pieces(pieces.word_ids()):
            labels[place] = numbers[iob_tag(doc[word])]
        rows.append({**pieces, "labels": labels})
    return rows


def main(
    train: Annotated[Path, typer.Argument(help="Documents to learn from")],
    dev: Annotated[Path, typer.Argument(help="Documents to evaluate on after each pass")],
    encoder: Annotated[Path, typer.Argument(help="Folder of the encoder")],
    output: Annotated[Path, typer.Argument(help="Folder for the pipeline and its curve")],
    seed: int = 0,
    rate: float = 1e-4,
    passes: int = 12,
    lang: str = "en",
) -> None:
    """Fine-tune an encoder to classify tokens, and save the best pass as a pipeline of spaCy."""
    nlp = spacy.blank(lang)
    parts = [[each.reference for each in Corpus(path, gold_preproc=True)(nlp)] for path in (train, dev)]
    tags = sorted({OUTSIDE, *(iob_tag(token) for docs in parts for doc in docs for token in doc)})
    tokenizer = AutoTokenizer.from_pretrained(encoder, add_prefix_space=True)  # RoBERTa needs it for words
    torch.manual_seed(seed)
    model = AutoModelForTokenClassification.from_pretrained(
        encoder, id2label=dict(enumerate(tags)), label2id={tag: i for i, tag in enumerate(tags)}
    )
    learned, evaluated = (encode(docs, tokenizer, tags) for docs in parts)

    def score(predicted: Any) -> Dict[str, float]:
        best, gold = predicted.predictions.argmax(-1), predicted.label_ids
        known = [row != IGNORED for row in gold]
        as_tags = [
            [[tags[i] for i in row[mask]] for row, mask in zip(rows, known, strict=True)]
            for rows in (gold, best)
        ]
        return {"span_f": float(f1_score(*as_tags, zero_division=0))}

    arguments = TrainingArguments(
        output_dir=str(output / "checkpoints"),
        learning_rate=rate,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=128,
        num_train_epochs=passes,
        weight_decay=0.01,
        warmup_ratio=0.1,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="span_f",
        seed=seed,
        use_cpu=True,
        bf16=bfloat16_is_fast(torch.device("cpu")),
        group_by_length=True,  # else half of a batch is padding
        dataloader_pin_memory=False,
        report_to=[],
        disable_tqdm=True,
    )
    trainer: Any = Trainer(
        model,
        arguments,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        train_dataset=learned,
        eval_dataset=evaluated,
        compute_metrics=score,
    )
    trainer.train()
    curve = [line for line in trainer.state.log_history if "eval_span_f" in line]
    srsly.write_json(
        output / "curve.json", [{"epoch": each["epoch"], "span_f": each["eval_span_f"]} for each in curve]
    )
    pipe = nlp.add_pipe(FACTORY)
    pipe.tokenizer, pipe.model = tokenizer, model  # type: ignore[attr-defined]
    nlp.to_disk(output / "model-best")


if __name__ == "__main__":
    typer.run(main)
