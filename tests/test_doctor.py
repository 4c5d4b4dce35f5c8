"""`spacy posattn doctor`: every sign of failure is found where its fault is planted."""

import io
import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_loop
from thinc.api import Config

from pipelines import (
    TAGGER,
    TEXTS,
    frozen_architecture,
    frozen_pipeline,
    make_examples,
    misaligned_examples,
    plain_pipeline,
    train,
)
from posattn_spacy import annotated
from posattn_spacy.calibration import Judged
from posattn_spacy.diagnosis.corpus_checks import check_corpus
from posattn_spacy.diagnosis.doctor import count_verdicts, diagnose
from posattn_spacy.diagnosis.encoder_checks import check_encoder
from posattn_spacy.diagnosis.findings import Finding
from posattn_spacy.diagnosis.head_checks import check_head
from posattn_spacy.diagnosis.log_checks import Log, LogError, check_log, read_log
from posattn_spacy.diagnosis.probes import examine
from posattn_spacy.diagnosis.score_checks import (
    check_judged,
    check_scores,
    thresholds_are_of_this_temperature,
)
from posattn_spacy.frozen.architecture import huggingface
from posattn_spacy.frozen.callback import find_frozen_transformers
from posattn_spacy.model import torch_head
from processes import command

NAME = "posattn_ner"


def warnings_of(findings: Sequence[Finding]) -> List[str]:
    """What was found and what to do, of the findings that warn; all others must need no remedy."""
    assert all(finding.remedy for finding in findings if finding.verdict == "warn")
    assert not any(finding.remedy for finding in findings if finding.verdict == "pass")
    return [f"{finding.said} {finding.remedy}" for finding in findings if finding.verdict == "warn"]


# The frozen encoder


@pytest.fixture
def frozen(tiny_encoder: Callable[[str], Path]) -> Language:
    nlp = frozen_pipeline(tiny_encoder("bert"))
    train(nlp, 3)
    return nlp


def test_the_encoder_is_still_the_original(frozen: Language) -> None:
    (encoder,) = find_frozen_transformers(frozen)
    findings = list(check_encoder(encoder, make_examples(frozen)))
    assert [finding.verdict for finding in findings] == ["pass", "pass"]
    assert "at most 0.0%" in findings[1].said


@pytest.mark.parametrize("pooling", ["first", "last"])
def test_pooling_is_no_change_of_the_encoder(tiny_encoder: Callable[[str], Path], pooling: str) -> None:
    nlp = spacy.blank("xx")
    model = frozen_architecture(tiny_encoder("roberta"), pooling=pooling)
    nlp.add_pipe("transformer", config={"model": model})
    nlp.initialize()
    (encoder,) = find_frozen_transformers(nlp)
    findings = check_encoder(encoder, make_examples(nlp))
    assert [finding.verdict for finding in findings] == ["pass", "pass"]


def test_a_weight_that_moved_is_found(frozen: Language) -> None:
    (encoder,) = find_frozen_transformers(frozen)
    transformer, _ = huggingface(encoder)
    with torch.no_grad():
        transformer.embeddings.word_embeddings.weight.mul_(1.5)
    weights, output = warnings_of(list(check_encoder(encoder, make_examples(frozen))))
    assert "1 of" in weights
    assert "embeddings.word_embeddings.weight" in weights
    assert "make the pipeline anew" in output


def test_an_original_that_is_gone_is_not_known(frozen: Language) -> None:
    (encoder,) = find_frozen_transformers(frozen)
    encoder.attrs["name"] = "no/such/encoder"
    (finding,) = check_encoder(encoder, make_examples(frozen))
    assert finding.verdict == "unknown"
    assert "no/such/encoder" in finding.said


def test_an_output_that_nothing_was_compared_on_is_not_known(frozen: Language) -> None:
    (encoder,) = find_frozen_transformers(frozen)
    data = [("  ", {"entities": []}), (" ".join(TEXTS * 5), {"entities": []})]
    weights, output = check_encoder(encoder, make_examples(frozen, data))
    assert (weights.verdict, output.verdict) == ("pass", "unknown")


# The head


def head_findings(nlp: Language) -> List[Finding]:
    pipe = nlp.get_pipe(NAME)
    head = torch_head(pipe.model)
    assert head is not None
    return list(check_head(head, examine(nlp, pipe, make_examples(nlp))))


def trained(mask: str) -> Language:
    nlp = plain_pipeline(mask=mask, pad_ratio=0.4)
    train(nlp, 60)
    return nlp


@pytest.mark.parametrize("mask", ["soft", "pad", "hard", "none"])
def test_a_head_that_learned_its_mask_passes(mask: str) -> None:
    findings = head_findings(trained(mask))
    assert not warnings_of(findings)
    assert len(findings) == (2 if mask == "none" else 3)


@pytest.mark.parametrize("mask", ["soft", "pad", "hard"])
def test_a_gate_that_takes_entities_for_other_tokens_is_found(mask: str) -> None:
    nlp = trained(mask)
    head: Any = torch_head(nlp.get_pipe(NAME).model)
    with torch.no_grad():
        head.gate.weight.neg_()
        head.gate.bias.neg_()
    found = warnings_of(head_findings(nlp))
    assert "positional_weight" in found[0]
    assert "as if the mask were not applied" in found[-1]


def test_attention_that_is_spread_evenly_is_found() -> None:
    nlp = trained("none")
    head: Any = torch_head(nlp.get_pipe(NAME).model)
    with torch.no_grad():
        head.blocks[0].query_key_value.weight.zero_()
        head.blocks[0].query_key_value.bias.zero_()
        head.blocks[0].distance_bias.zero_()
    (found,) = warnings_of(head_findings(nlp))
    assert "100% of that of attention spread evenly" in found
    assert "mask" in found


def test_a_mask_that_takes_nothing_out_is_found() -> None:
    nlp = plain_pipeline(mask="hard", pad_ratio=0.0)
    train(nlp, 60)
    assert "With pad_ratio = 0 nothing is masked" in warnings_of(head_findings(nlp))[0]


def test_a_head_without_attention_has_none_to_check() -> None:
    nlp = plain_pipeline(mask="none", depth=0)
    train(nlp, 20)
    assert any("There is no attention" in finding.said for finding in head_findings(nlp))


@pytest.mark.parametrize("mask", ["soft", "pad", "hard"])
def test_a_mask_is_not_judged_without_entities(mask: str) -> None:
    nlp = trained(mask)
    pipe = nlp.get_pipe(NAME)
    head = torch_head(pipe.model)
    assert head is not None
    bare = make_examples(nlp, [("The Games cost $ 5 million", {"entities": []})])
    found, *_ = check_head(head, examine(nlp, pipe, bare))
    assert found.verdict == "unknown"


# The documents


def corpus_findings(nlp: Language, examples: Sequence[Example]) -> List[Finding]:
    return list(check_corpus(nlp, nlp.get_pipe(NAME), find_frozen_transformers(nlp), examples))


def test_good_documents_pass(frozen: Language) -> None:
    findings = corpus_findings(frozen, make_examples(frozen))
    assert [finding.verdict for finding in findings] == ["pass"] * 7


def test_entities_within_tokens_are_found(frozen: Language) -> None:
    (found,) = warnings_of(corpus_findings(frozen, misaligned_examples(frozen)))
    assert "1 of 1 entities do not fit the tokens" in found
    assert "New York is large" in found
    assert "gold_preproc = true" in found


def test_documents_without_annotation_are_found(frozen: Language) -> None:
    bare = Doc(frozen.vocab, words=["Nobody", "annotated", "this"])
    examples = [*make_examples(frozen), Example(bare.copy(), bare)]
    (found,) = warnings_of(corpus_findings(frozen, examples))
    assert "1 of 5 documents have no entity annotation" in found
    assert "Nobody annotated this" in found


def test_labels_that_were_not_trained_are_found(frozen: Language) -> None:
    data = [("Alice won the Games", {"entities": [(10, 19, "eve")]})]
    (found,) = warnings_of(corpus_findings(frozen, make_examples(frozen, data)))
    assert "1 of 1 labels are unknown to 'posattn_ner': eve" in found


def reference(frozen: Language, *words: str, ents: str, starts: str = "") -> Example:
    """An example whose tokens fit; entities are IOB tags of one label."""
    tags = [tag if tag == "O" else f"{tag}-geo" for tag in ents]
    marks = [mark == "1" for mark in starts] if starts else None
    doc = Doc(frozen.vocab, words=list(words), ents=tags, sent_starts=marks)
    return Example(Doc(frozen.vocab, words=list(words), sent_starts=marks), doc)


def test_entities_with_white_space_at_their_edges_are_found(frozen: Language) -> None:
    spaced = reference(frozen, "in", "Berlin", "  ", "today", ents="OBIO")
    (found,) = warnings_of(corpus_findings(frozen, [*make_examples(frozen), spaced]))
    assert "1 of 6 entities begin or end in white space, for instance ['Berlin" in found
    assert "posattn convert" in found


def test_entities_across_sentences_are_found(frozen: Language) -> None:
    crossing = reference(frozen, "in", "St", ".", "Gallen", ents="OBII", starts="1001")
    (found,) = warnings_of(corpus_findings(frozen, [*make_examples(frozen), crossing]))
    assert "1 of 6 entities cross the beginning of a sentence, for instance ['St . Gallen']" in found
    assert "is_sent_start = False" in found


def test_entities_are_looked_at_as_they_are_stored(frozen: Language) -> None:
    stored = reference(frozen, "in", "St", ".", "Gallen", ents="OBII", starts="1001").reference
    cut = annotated.make_examples(frozen, [stored], gold_preproc=True)  # spaCy's reader loses the entity here
    findings = check_corpus(frozen, frozen.get_pipe(NAME), [], cut, [stored])
    assert any("1 of 1 entities cross" in found for found in warnings_of(list(findings)))


def test_few_of_many_are_no_reason_to_warn(frozen: Language) -> None:
    good = make_examples(frozen) * 40  # 160 documents, 200 entities
    bad = [
        *misaligned_examples(frozen),
        reference(frozen, "Berlin", " ", ents="BI"),
        reference(frozen, "St", ".", "Gallen", ents="BII", starts="101"),
        Example(*[Doc(frozen.vocab, words=["bare"])] * 2),
    ]
    findings = corpus_findings(frozen, [*good, *bad])
    assert not warnings_of(findings)
    said = " ".join(finding.said for finding in findings)
    for found in ("1 of 203 entities do not fit", "1 of 203 entities begin", "1 of 203 entities cross"):
        assert found in said
    assert len(warnings_of(corpus_findings(frozen, [*good[:60], *bad]))) == 4


def test_spans_in_place_of_entities_are_named(frozen: Language) -> None:
    doc = Doc(frozen.vocab, words=["in", "Berlin"])
    doc.spans["sc"] = [doc[1:2]]
    bare = warnings_of(corpus_findings(frozen, [Example(doc.copy(), doc)]))
    doc.ents = []
    (found,) = warnings_of(corpus_findings(frozen, [Example(doc.copy(), doc)]))
    assert found in bare
    assert "1 of 1 documents have no entity, but spans" in found
    assert 'doc.spans["sc"]' in found
    assert "--spans-key sc" in found


def test_texts_that_need_windows_are_found(frozen: Language) -> None:
    data = [(" ".join(TEXTS * 5), {"entities": []}), (TEXTS[0], {"entities": []})]
    (found,) = warnings_of(corpus_findings(frozen, make_examples(frozen, data)))
    assert "1 of 2 texts are longer" in found
    assert "sentencizer" in found
    frozen.add_pipe("sentencizer", first=True)
    try:
        assert not warnings_of(corpus_findings(frozen, make_examples(frozen, data)))
    finally:
        frozen.remove_pipe("sentencizer")


# What is found


def finds(
    *entities: Any, gold: Sequence[int] = (20, 20), settings: Optional[Dict[str, Any]] = None
) -> List[Finding]:
    """Check a component that finds entities of geo and per: label, probability, whether it is right."""
    nlp = plain_pipeline(settings=settings)
    pipe = nlp.get_pipe(NAME)
    for label in ("geo", "per"):
        pipe.add_label(label)
    labels, probabilities, correct = map(np.array, zip(*entities, strict=True))
    return list(check_judged(pipe, Judged(labels, probabilities, correct, np.array(gold))))


GEO = [(0, 0.9, True)] * 18


def test_entities_that_are_found_raise_no_doubt() -> None:
    findings = finds(*GEO, *[(1, 0.8, True)] * 16, (1, 0.5, False))
    assert [finding.verdict for finding in findings] == ["pass", "pass", "unknown", "pass"]


def test_probabilities_of_few_entities_are_not_to_be_trusted() -> None:
    (finding,) = (each for each in finds(*GEO) if each.verdict == "unknown")
    assert finding.said.startswith("18 entities are too few to tell")
    assert "in which it finds 200 or more" in finding.remedy


@pytest.mark.parametrize(
    ("probability", "verdict"), [(0.9, "pass"), (0.88, "pass"), (0.8, "warn"), (0.99, "warn")]
)
def test_probabilities_are_held_against_what_is_right(probability: float, verdict: str) -> None:
    entities = [(0, probability, i % 10 != 0) for i in range(1000)]
    finding = finds(*entities, gold=(1000, 0))[2]
    assert finding.verdict == verdict
    assert (
        f"Of 1,000 entities 90% are right; by their probabilities {probability:.0%} should be" in finding.said
    )


def test_labels_that_are_not_found_are_named() -> None:
    found = warnings_of(finds(*GEO))
    assert "1 of 2 labels with 5 entities or more have an F1 below 0.50: per (never predicted)" in found[0]
    assert "label_weights" in found[0]
    few = [(1, 0.8, True)] * 5 + [(1, 0.8, False)] * 3
    assert "per (0.36)" in warnings_of(finds(*GEO, *few))[0]


def test_labels_with_hardly_an_entity_are_not_judged() -> None:
    assert finds(*GEO, gold=(20, 4))[0] == Finding(
        "pass", "0 of 1 labels with 5 entities or more have an F1 below 0.50."
    )


def test_recall_far_below_precision_is_found() -> None:
    (found,) = warnings_of(finds(*GEO[:12], *[(1, 0.8, True)] * 12))
    assert "Of the entities, 60% are found; of what is found, 100% is right. Entities are missed." in found
    assert "label_weights" in found
    assert "thresholds" not in found


def test_thresholds_that_leave_too_much_out_are_named() -> None:
    entities = [*GEO[:12], *[(1, 0.8, True)] * 12, *[(0, 0.3, True)] * 8, *[(1, 0.3, True)] * 8]
    assert not warnings_of(finds(*entities))
    (found,) = warnings_of(
        finds(*entities, settings={"threshold": 0.35, "label_thresholds": {"per": 0.5}})[1:]
    )
    assert "Lower the thresholds, which leave out what is less probable (geo 0.35, per 0.50)" in found


def test_precision_far_below_recall_is_found() -> None:
    wrong = [(0, 0.5, False)] * 20
    settings = {"label_weights": {"geo": 5.0}}
    (found,) = warnings_of(finds(*GEO, *[(1, 0.8, True)] * 18, *wrong, settings=settings))
    assert "Too much is taken for an entity. Lower components.posattn_ner.label_weights (geo)." in found
    assert "find-threshold" in found


def test_a_corpus_without_entities_tells_nothing_of_what_is_found(frozen: Language) -> None:
    (finding,) = check_scores(frozen.get_pipe(NAME), [], [0, 0])
    assert finding.verdict == "unknown"


def test_thresholds_of_another_temperature_are_found() -> None:
    nlp = plain_pipeline(settings={"threshold": 0.5})
    pipe = nlp.get_pipe(NAME)
    pipe.add_label("geo")
    pipe.cfg |= {"temperature": 1.25, "thresholds_at": 1.75}
    found = thresholds_are_of_this_temperature(pipe)
    assert found.verdict == "warn"
    assert "fitted at the temperature 1.750, and it is 1.250 now" in found.said
    assert "find-threshold MODEL CORPUS --write" in found.remedy
    pipe.cfg["temperature"] = 1.75
    assert thresholds_are_of_this_temperature(pipe).verdict == "pass"


# The training

RATE = {"@schedules": "warmup_linear.v1", "initial_rate": 0.01, "warmup_steps": 10, "total_steps": 101}
CONFIG = Config({"training": {"optimizer": {"learn_rate": RATE}}})


def log_of(
    *,
    categorical: Optional[Sequence[float]] = None,
    positional: Optional[Sequence[float]] = None,
    rates: Optional[Sequence[float]] = None,
    flat_f: Sequence[float] = (0.6, 0.7, 0.75, 0.78, 0.8),
    dev: Sequence[float] = (0.5, 0.4, 0.35, 0.34, 0.33),
) -> Log:
    """The log of 100 steps and five evaluations in which nothing is wrong but what is given."""
    falling = [2.0 / (1 + step / 10) for step in range(100)]
    scheduled = [0.01 * min(step / 10, (101 - step) / 91) for step in range(100)]
    steps: List[Dict[str, Any]] = [
        {"step": step, "categorical": one, "positional": other, "learn_rate": rate}
        for step, (one, other, rate) in enumerate(
            zip(categorical or falling, positional or falling, rates or scheduled, strict=True)
        )
    ]
    for place, score, loss in zip((20, 40, 60, 80, 99), flat_f, dev, strict=True):
        steps[place] |= {"scores": {"flat_f": score}, "dev": {"loss": loss}}
    return Log(steps, [step for step in steps if "scores" in step])


def log_warnings(log: Log, positional_weight: float = 0.25) -> List[str]:
    return warnings_of(list(check_log(log, CONFIG, positional_weight)))


def test_a_training_without_trouble_passes() -> None:
    findings = list(check_log(log_of(), CONFIG, 0.25))
    assert [finding.verdict for finding in findings] == ["pass"] * 5


@pytest.mark.parametrize("part", ["categorical", "positional"])
def test_a_loss_that_does_not_fall_is_found(part: str) -> None:
    stuck: Dict[str, Any] = {part: [1.0 + 0.01 * (step % 2) for step in range(100)]}
    (found,) = log_warnings(log_of(**stuck))
    assert f"the {part} loss fell by 0%" in found


def test_a_positional_loss_without_weight_need_not_fall() -> None:
    assert not log_warnings(log_of(positional=[1.0] * 100), positional_weight=0.0)


def test_a_learning_rate_that_is_not_the_configs_is_found() -> None:
    (found,) = log_warnings(log_of(rates=[0.01 * min(step / 10, 1.0) for step in range(100)]))
    assert "from step 11 on it is not that of the config" in found


def test_a_learning_rate_that_does_not_decay_is_found() -> None:
    config = Config({"training": {"optimizer": {"learn_rate": 0.01}}})
    (found,) = warnings_of(list(check_log(log_of(rates=[0.01] * 100), config, 0.25)))
    assert "warmup_linear.v1" in found


def test_flat_f1_that_stays_while_the_loss_falls_is_found() -> None:
    (found,) = log_warnings(log_of(flat_f=(0.6, 0.603, 0.601, 0.604, 0.602)))
    assert "flat F1 rose by 0.0040" in found
    assert "the positional weight is too low" in found


def test_flat_f1_may_stay_where_it_is_high() -> None:
    assert not log_warnings(log_of(flat_f=(0.999, 1.0, 1.0, 1.0, 1.0)))


def test_flat_f1_may_stay_where_the_loss_does() -> None:
    stuck = log_of(categorical=[1.0] * 100, flat_f=(0.6,) * 5)
    assert not any("flat F1" in found for found in log_warnings(stuck))


def test_flat_f1_is_held_against_the_loss_of_the_same_time() -> None:
    early = [2.0 / (1 + step) if step < 20 else 0.1 for step in range(100)]
    assert not log_warnings(log_of(categorical=early, flat_f=(0.86, 0.863, 0.864, 0.865, 0.865)))


@pytest.mark.parametrize(
    ("dev", "jumps"),
    [
        ((0.5, 0.6, 0.4, 0.55, 0.35), True),
        ((0.5, 0.4, 0.39, 0.41, 0.42), False),  # the end of a training
        ((0.5, 0.4, 0.5, 0.6, 0.7), False),  # learned by heart, but steadily
    ],
)
def test_a_loss_on_dev_that_jumps_around_is_found(dev: Sequence[float], jumps: bool) -> None:
    found = log_warnings(log_of(dev=dev))
    assert bool(found) == jumps
    assert all("Dropout or learning rate are too high" in each for each in found)


@pytest.mark.parametrize(
    ("scores", "late"),
    [
        ((0.6, 0.8, 0.78, 0.76, 0.75), True),
        ((0.6, 0.8, 0.799, 0.798, 0.795), False),  # no lower to speak of
        ((0.6, 0.7, 0.75, 0.8, 0.78), False),  # near the end
        ((0.6, 0.7, 0.75, 0.78, 0.8), False),
    ],
)
def test_a_training_that_went_on_after_its_best_is_found(scores: Sequence[float], late: bool) -> None:
    found = log_warnings(log_of(flat_f=scores))
    assert bool(found) == late
    for each in found:
        assert "F1 on dev was best in evaluation 2 of 5 (0.8000), and is 0.0500 lower in the last" in each
        assert "dropout" in each


@pytest.mark.parametrize("loss", [None, 0.0])
def test_a_dev_without_gold_tags_has_no_loss_to_watch(loss: Any) -> None:
    findings = list(check_log(log_of(dev=[loss] * 5), CONFIG, 0.25))
    (unknown,) = (finding for finding in findings if finding.verdict == "unknown")
    assert "annotate" in unknown.remedy


def test_a_short_log_says_little() -> None:
    short = Log(log_of().steps[:15], [])
    verdicts = [finding.verdict for finding in check_log(short, CONFIG, 0.25)]
    assert verdicts[2:] == ["unknown"] * 3


@pytest.mark.parametrize("text", ["", "no json\n", '{"step": 0}\n', '{"step": 0, "pipes": {"ner": {}}}\n'])
def test_another_log_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(LogError, match=r"log\.jsonl is"):
        read_log(tmp_path / "log.jsonl", NAME)


# All of it


def trained_with_log(encoder: Path, folder: Path) -> Path:
    """Train a pipeline in spaCy's own loop, with its log; return the folder of the pipeline."""
    nlp = spacy.blank("xx")
    corpus = folder / "corpus.spacy"
    DocBin(docs=[example.reference for example in make_examples(nlp)]).to_disk(corpus)
    nlp.add_pipe("transformer", config={"model": frozen_architecture(encoder)})
    listener = {"@architectures": "posattn-spacy.FrozenListener.v1"}
    nlp.add_pipe(NAME, config={"model": {**TAGGER, "tok2vec": listener, "mask": "pad", "pad_ratio": 0.4}})
    config = nlp.config.copy()
    for name in ("train", "dev"):
        config["corpora"][name] = {"@readers": "spacy.Corpus.v1", "path": str(corpus), "gold_preproc": True}
    rate = {**RATE, "total_steps": 81}
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": rate}
    logger = {"@loggers": "posattn-spacy.DiagnosticLogger.v1", "output_file": str(folder / "log.jsonl")}
    config["training"] |= {"max_steps": 80, "eval_frequency": 20, "seed": 0, "gpu_allocator": None}
    config["training"] |= {"optimizer": optimizer, "logger": logger}
    nlp = init_nlp(Config(config))
    train_loop(nlp, folder, use_gpu=-1, stdout=io.StringIO(), stderr=io.StringIO())
    return folder / "model-last"


def test_the_doctor_reads_a_real_training(tiny_encoder: Callable[[str], Path], tmp_path: Path) -> None:
    model = trained_with_log(tiny_encoder("bert"), tmp_path)
    nlp = spacy.load(model)
    sections = list(diagnose(nlp, make_examples(nlp), tmp_path / "log.jsonl"))
    counts = count_verdicts(sections)
    assert sum(counts.values()) == sum(len(findings) for _, findings in sections) == 22
    assert counts["unknown"] == 1  # so few entities say nothing of their probabilities
    training = sections[-1][1]
    assert [finding.verdict for finding in training] == ["pass"] * 5, training
    examined = ["doctor", model, tmp_path / "corpus.spacy", "--gold-preproc"]
    said = command(*examined, "--log", tmp_path / "log.jsonl")
    assert f"{counts['pass']} passed, {counts['warn']} to look at, 1 not known" in said
    assert "The training of 'posattn_ner'" in said
    without = command(*examined)
    assert "2 not known" in without
    assert "Give it with --log" in without


def test_a_wrong_log_ends_the_command(tmp_path: Path) -> None:
    nlp = plain_pipeline()
    train(nlp, 2)
    nlp.to_disk(tmp_path / "model")
    DocBin(docs=[example.reference for example in make_examples(nlp)]).to_disk(tmp_path / "dev.spacy")
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 0}))
    examined = ("doctor", tmp_path / "model", tmp_path / "dev.spacy", "--log", tmp_path / "log.jsonl")
    assert "is no log of 'posattn_ner'" in command(*examined, fails=True)


def test_a_corpus_without_documents_is_refused(tmp_path: Path) -> None:
    plain_pipeline().to_disk(tmp_path / "model")
    DocBin().to_disk(tmp_path / "dev.spacy")
    said = command("doctor", tmp_path / "model", tmp_path / "dev.spacy", fails=True)
    assert "has no documents" in said


def test_a_pipeline_without_our_component_is_refused(tmp_path: Path) -> None:
    nlp = spacy.blank("xx")
    nlp.to_disk(tmp_path / "model")
    DocBin(docs=[nlp.make_doc("Alice")]).to_disk(tmp_path / "dev.spacy")
    said = command("doctor", tmp_path / "model", tmp_path / "dev.spacy", fails=True)
    assert "no component that posattn-spacy could check" in said
