"""Tiny random encoders of three families, written to disk with tokenizers that know a few sentences.

The vocabularies are listed rather than trained where training does not give the same one twice.
"""

from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
    XLMRobertaTokenizerFast,
)

MAX_PIECES = 64  # special tokens included
SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
TEXTS = [
    "Families of soldiers killed in the conflict joined the protesters in London .",
    "President Marta Velasquez of Peru said on Tuesday that the U.N. can't wait .",
    "The Olympic Games in Athens cost Greece $ 5 million more than planned .",
    "Alice Smith visited Berlin with Bob Jones of the World Bank in June .",
]


def write_bert(folder: Path) -> Path:
    """A BERT with a WordPiece tokenizer."""
    words, characters = _words_and_characters([text.lower() for text in TEXTS])
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *characters, *(f"##{character}" for character in characters), *words]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ids = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    fast = BertTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_PIECES)
    config = BertConfig(
        vocab_size=len(fast), max_position_embeddings=MAX_PIECES, pad_token_id=fast.pad_token_id, **SHAPE
    )
    return _write(folder, BertModel, config, fast)


def write_roberta(folder: Path) -> Path:
    """A RoBERTa with a byte-level BPE tokenizer."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    fast = RobertaTokenizerFast(tokenizer_object=tokenizer, add_prefix_space=False)
    config = RobertaConfig(
        vocab_size=len(fast), max_position_embeddings=MAX_PIECES + 2, pad_token_id=1, **SHAPE
    )
    return _write(folder, RobertaModel, config, fast)


def write_xlm_roberta(folder: Path) -> Path:
    """An XLM-R with a SentencePiece (unigram) tokenizer."""
    words, characters = _words_and_characters(TEXTS)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    scores = [
        *((piece, 0.0) for piece in special),
        *((piece, -9.0) for piece in ["▁", *characters]),
        *((f"▁{word}", -5.0) for word in words),
    ]
    tokenizer = Tokenizer(models.Unigram(vocab=scores, unk_id=special.index("<unk>")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = XLMRobertaTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_PIECES)
    config = XLMRobertaConfig(
        vocab_size=len(fast), max_position_embeddings=MAX_PIECES + 2, pad_token_id=1, **SHAPE
    )
    return _write(folder, XLMRobertaModel, config, fast)


WRITERS: Dict[str, Callable[[Path], Path]] = {
    "bert": write_bert,
    "roberta": write_roberta,
    "xlm-roberta": write_xlm_roberta,
}


def _words_and_characters(texts: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Every other word, so that some words are one piece and some are many, and all characters."""
    words = sorted({word for text in texts for word in text.split() if len(word) > 1})
    return words[::2], sorted({character for text in texts for character in text if character != " "})


def _write(folder: Path, model_class: type, config: object, tokenizer: PreTrainedTokenizerFast) -> Path:
    torch.manual_seed(0)
    model: PreTrainedModel = model_class(config)
    with torch.no_grad():  # a fresh model's [PAD] is all zeros, a trained one's is not
        model.get_input_embeddings().weight[tokenizer.pad_token_id].normal_()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
