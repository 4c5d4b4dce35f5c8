"""One truth: a component does what the pipeline's config says, and what is changed in Python survives."""

import re
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.util import load_config, load_model_from_config
from thinc.api import Config

from pipelines import GOLD, LEXICAL, TEXTS, entities, frozen_pipeline, plain_pipeline, train
from posattn_spacy import configured_pipe
from posattn_spacy.model import torch_head
from posattn_spacy.settings import DEFAULTS, SIGNATURE

NAME = "posattn_ner"
TRAINED: Dict[str, Any] = {  # other than the defaults
    "positional_weight": 0.25,
    "label_weights": {"geo": 2.0},
    "threshold": 0.1,
    "label_thresholds": {"geo": 0.2},
    "candidates": 0.3,
    "second_look": 0.9,
    "second_look_tolerance": 0.001,
    "show_second_look": True,
    "incorrect_spans_key": "wrong",
    "overwrite": True,
}
OTHER: Dict[str, Any] = {
    "positional_weight": 0.75,
    "label_weights": {"geo": 2.0, "per": 3.0},
    "threshold": 0.4,
    "label_thresholds": {"per": 0.6},
    "candidates": 0.7,
    "second_look": None,
    "second_look_tolerance": 0.0,
    "show_second_look": False,
    "incorrect_spans_key": None,
    "overwrite": False,
}
each_setting = pytest.mark.parametrize("key", DEFAULTS)
each_kind = pytest.mark.parametrize("kind", ["plain", "old", "renamed", "sourced"])


def test_every_setting_is_tried() -> None:
    assert TRAINED.keys() == OTHER.keys() == DEFAULTS.keys()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a pipeline that was trained with settings other than the defaults."""
    nlp = plain_pipeline(settings=TRAINED)
    train(nlp, 1)
    nlp.get_pipe(NAME).cfg["temperature"] = 1.5
    nlp.to_disk(tmp_path_factory.mktemp("trained") / "model")
    return tmp_path_factory.getbasetemp() / "trained0" / "model"


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    return shutil.copytree(trained, tmp_path / "model")


def as_old(model: Path, **cfg: Any) -> Path:
    """Make a component's cfg one of the version before, in which `cfg` was changed."""
    path = model / NAME / "cfg"
    saved = {
        key: value
        for key, value in srsly.read_json(path).items()
        if key in {"labels", "temperature", *DEFAULTS}
    }
    srsly.write_json(path, {**saved, **cfg})
    return model


def of_kind(kind: str, model: Path) -> Path:
    """Change a pipeline in a way in which pipelines come."""
    other = model.with_name(kind)
    if kind == "old":
        return as_old(model)
    if kind == "renamed":
        nlp = spacy.load(model)
        nlp.rename_pipe(NAME, "ents")
        nlp.to_disk(other)
        return other
    if kind == "sourced":
        config = {"nlp": {"lang": "xx", "pipeline": [NAME]}, "components": {NAME: {"source": str(model)}}}
        load_model_from_config(Config(config), auto_fill=True).to_disk(other)
        return other
    return model


def name_in(model: Path) -> str:
    return str(load_config(model / "config.cfg")["nlp"]["pipeline"][-1])


def edit_config(model: Path, key: str, value: Any) -> None:
    """Change a setting in config.cfg, as with an editor."""
    config = load_config(model / "config.cfg")
    config["components"][name_in(model)][key] = value
    config.to_disk(model / "config.cfg")


def says_and_does(nlp: Language, key: str) -> Any:
    """What the config says of a setting; the component does the same."""
    name = nlp.pipe_names[-1]
    said = nlp.config["components"][name][key]
    assert nlp.get_pipe(name).cfg[key] == pytest.approx(said)  # JSON costs the last digit
    return said if isinstance(said, (dict, bool)) or said is None else pytest.approx(said)


def overridden(key: str, value: Any) -> Any:
    """What spaCy makes of an override: it joins sections."""
    return TRAINED[key] | value if isinstance(value, dict) else value


# What the config says


@each_setting
@each_kind
def test_what_was_trained_holds(model: Path, kind: str, key: str) -> None:
    nlp = spacy.load(of_kind(kind, model))
    assert says_and_does(nlp, key) == TRAINED[key]
    assert nlp.get_pipe(nlp.pipe_names[-1]).cfg["temperature"] == 1.5


@each_setting
@each_kind
@pytest.mark.parametrize("values", [OTHER, DEFAULTS], ids=["another", "the default"])
def test_an_override_at_loading_wins(model: Path, kind: str, key: str, values: Dict[str, Any]) -> None:
    folder = of_kind(kind, model)
    nlp = spacy.load(folder, config={f"components.{name_in(folder)}.{key}": values[key]})
    assert says_and_does(nlp, key) == overridden(key, values[key])
    assert nlp.get_pipe(nlp.pipe_names[-1]).labels == ("geo", "per")
    nlp.to_disk(model.with_name("again"))
    assert says_and_does(spacy.load(model.with_name("again")), key) == overridden(key, values[key])


@each_setting
@each_kind
def test_an_edited_config_wins(model: Path, kind: str, key: str) -> None:
    folder = of_kind(kind, model)
    is_default = kind == "old" and OTHER[key] == DEFAULTS[key]  # and so may not be meant
    value = TRAINED[key] if is_default else OTHER[key]
    edit_config(folder, key, value)
    assert says_and_does(spacy.load(folder), key) == value


def test_an_edit_back_to_the_default_is_not_told_from_a_change_of_the_version_before(model: Path) -> None:
    edit_config(as_old(model), "overwrite", False)
    assert spacy.load(model).get_pipe(NAME).cfg["overwrite"] is True


def test_an_override_is_what_the_component_does(tmp_path: Path) -> None:
    nlp = plain_pipeline()
    train(nlp, 40)
    nlp.to_disk(tmp_path)
    assert entities(spacy.load(tmp_path)) == GOLD
    section = {"components": {NAME: {"threshold": 1.0}}}
    assert entities(spacy.load(tmp_path, config=section)) == [[], [], [], []]


def test_an_override_for_a_label_that_is_not_there_is_refused(trained: Path) -> None:
    with pytest.raises(ValueError, match=r"label_thresholds names goe.*geo, per"):
        spacy.load(trained, config={f"components.{NAME}.label_thresholds": {"goe": 0.5}})


# What is changed in Python


@each_setting
@each_kind
def test_a_change_in_python_survives_the_disk(model: Path, kind: str, key: str) -> None:
    nlp = spacy.load(of_kind(kind, model))
    name = nlp.pipe_names[-1]
    nlp.get_pipe(name).cfg[key] = OTHER[key]
    saved = model.with_name("changed")
    nlp.to_disk(saved)
    assert says_and_does(spacy.load(saved), key) == OTHER[key]
    if not isinstance(OTHER[key], dict):  # an override may say what the config said before
        back = spacy.load(saved, config={f"components.{name}.{key}": TRAINED[key]})
        assert says_and_does(back, key) == TRAINED[key]
    edit_config(saved, key, DEFAULTS[key])
    assert says_and_does(spacy.load(saved), key) == DEFAULTS[key]


@each_setting
def test_a_change_in_python_survives_bytes(trained: Path, key: str) -> None:
    nlp = spacy.load(trained)
    nlp.get_pipe(NAME).cfg[key] = OTHER[key]
    other = type(nlp).from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert other.get_pipe(NAME).cfg[key] == pytest.approx(OTHER[key])


def test_a_change_goes_with_a_component_to_another_pipeline(trained: Path, tmp_path: Path) -> None:
    source, nlp = spacy.load(trained), spacy.blank("xx")
    source.get_pipe(NAME).cfg["threshold"] = 0.9
    nlp.add_pipe(NAME, name="ents", source=source)
    nlp.to_disk(tmp_path)
    assert says_and_does(spacy.load(tmp_path), "threshold") == 0.9


def test_a_change_within_a_setting_survives(model: Path) -> None:
    nlp = spacy.load(model)
    nlp.get_pipe(NAME).cfg["label_thresholds"]["per"] = 0.9
    nlp.to_disk(model)
    assert says_and_does(spacy.load(model), "label_thresholds") == {"geo": 0.2, "per": 0.9}


@each_setting
def test_a_config_that_says_something_else_wins_over_bytes(trained: Path, key: str) -> None:
    nlp = spacy.load(trained)
    other = plain_pipeline(settings={**TRAINED, key: OTHER[key]}).from_bytes(nlp.to_bytes())
    assert says_and_does(other, key) == OTHER[key]


@each_setting
def test_a_change_that_the_version_before_saved_is_kept(tmp_path: Path, key: str) -> None:
    nlp = plain_pipeline(settings={"positional_weight": 0.0})
    train(nlp, 1)
    nlp.to_disk(tmp_path)
    as_old(tmp_path, **{key: TRAINED[key]})
    assert spacy.load(tmp_path).get_pipe(NAME).cfg[key] == pytest.approx(TRAINED[key])
    if OTHER[key] != DEFAULTS[key]:
        other = spacy.load(tmp_path, config={f"components.{NAME}.{key}": OTHER[key]})
        assert says_and_does(other, key) == OTHER[key]


def test_a_cfg_may_be_left_out(trained: Path) -> None:
    nlp = spacy.load(trained)
    pipe = nlp.get_pipe(NAME)
    data = pipe.to_bytes(exclude=["cfg"])
    pipe.cfg["threshold"] = 0.9
    pipe.from_bytes(data)
    assert pipe.cfg["threshold"] == 0.9
    assert pipe.labels == ("geo", "per")


def test_saving_what_was_not_changed_leaves_the_config_alone(model: Path) -> None:
    before = (model / "config.cfg").read_text()
    nlp = spacy.load(model)
    nlp.to_disk(model)
    assert (model / "config.cfg").read_text() == before
    assert spacy.load(model).get_pipe(NAME).cfg == nlp.get_pipe(NAME).cfg


def test_variables_of_the_config_stay(model: Path) -> None:
    config = load_config(model / "config.cfg")
    config["paths"]["sure"] = 0.1
    config["components"][NAME]["threshold"] = "${paths.sure}"
    config.to_disk(model / "config.cfg")
    nlp = spacy.load(model)
    nlp.get_pipe(NAME).cfg["candidates"] = 0.8
    nlp.to_disk(model)
    assert "threshold = ${paths.sure}" in (model / "config.cfg").read_text()
    changed = spacy.load(model, config={"paths.sure": 0.7}).get_pipe(NAME).cfg
    assert (changed["threshold"], changed["candidates"]) == (0.7, 0.8)


def test_a_component_that_is_saved_alone_touches_nothing_else(trained: Path, tmp_path: Path) -> None:
    nlp = spacy.load(trained)
    nlp.config.to_disk(tmp_path / "config.cfg")  # a training config of one's own
    before = (tmp_path / "config.cfg").read_text()
    pipe = nlp.get_pipe(NAME)
    pipe.cfg["threshold"] = 0.9
    pipe.to_disk(tmp_path / NAME)
    assert (tmp_path / "config.cfg").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.cfg", NAME]
    copy = spacy.load(trained).get_pipe(NAME).from_disk(tmp_path / NAME)
    assert copy.cfg["threshold"] == 0.9


def test_what_is_learned_begins_anew_with_the_weights(trained: Path) -> None:
    nlp = spacy.load(trained)
    pipe = nlp.get_pipe(NAME)
    pipe.cfg["thresholds_at"] = 1.5
    train(nlp, 1)
    assert (pipe.cfg["temperature"], pipe.cfg["thresholds_at"]) == (1.0, None)
    assert pipe.cfg["threshold"] == TRAINED["threshold"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("threshold", 2, "components.posattn_ner.threshold = 2: a probability is from 0 to 1"),
        ("threshold", "0.5", "components.posattn_ner.threshold = '0.5': it is a number"),
        ("threshold", None, "threshold = None: it is a number"),
        ("candidates", 0, "candidates = 0: it is the least probability of a candidate"),
        ("label_thresholds", None, "label_thresholds = None: it is a number for each of some labels"),
        ("label_thresholds", {"xx": 0.5}, "label_thresholds names xx, but the labels are geo, per"),
        ("label_weights", {"xx": 1.0}, "label_weights names xx"),
        ("overwrite", "yes", "overwrite = 'yes': it is true or false"),
        ("treshold", 0.5, "there is no setting treshold in positional_weight, label_weights, threshold"),
        ("temperature", 0, "temperature = 0: it is above 0"),
    ],
)
def test_a_change_in_python_that_cannot_be_meant_is_refused(
    trained: Path, tmp_path: Path, key: str, value: Any, message: str
) -> None:
    nlp = spacy.load(trained)
    nlp.get_pipe(NAME).cfg[key] = value
    uses: List[Callable[[], Any]] = [
        lambda: nlp(TEXTS[0]),
        lambda: train(nlp, 1),
        lambda: nlp.get_pipe(NAME).to_disk(tmp_path / NAME),
        lambda: nlp.get_pipe(NAME).to_bytes(),
    ]
    for use in uses:
        with pytest.raises(ValueError, match=re.escape(message)):
            use()
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(
    ("key", "value"), [("threshold", "0.5"), ("candidates", "0.05"), ("label_thresholds", {"geo": "0.5"})]
)
def test_a_number_in_quotes_is_named(trained: Path, key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"components\.{NAME}\.{key}.* = '0.0?5': it is a number"):
        spacy.load(trained, config={f"components.{NAME}.{key}": value})


# Settings of the models

FOLLOWED: Dict[str, Any] = {"mask": "hard", "pad_ratio": 0.25, "mixed_precision": True}
FIXED: Dict[str, Any] = {"hidden_width": 16, "n_heads": 2, "depth": 2, "max_distance": 8}


@pytest.fixture(scope="module")
def on_encoder(tiny_encoder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained pipeline with all parts."""
    nlp = frozen_pipeline(tiny_encoder("bert"), lexical=LEXICAL, layers=[0, 2])
    train(nlp, 3)
    folder = tmp_path_factory.mktemp("on_encoder")
    nlp.to_disk(folder)
    return folder


@pytest.mark.parametrize("key", FOLLOWED)
def test_the_head_follows_the_config(on_encoder: Path, tmp_path: Path, key: str) -> None:
    nlp = spacy.load(on_encoder, config={f"components.{NAME}.model.{key}": FOLLOWED[key]})
    nlp.to_disk(tmp_path)
    for each in (nlp, spacy.load(tmp_path)):
        model = each.get_pipe(NAME).model
        head = torch_head(model)
        assert head is not None
        assert getattr(head.config, key) == model.attrs[key] == FOLLOWED[key]
        assert len(entities(each)) == len(TEXTS)


def test_another_mask_is_applied(tmp_path: Path) -> None:
    nlp = plain_pipeline(mask="none")
    train(nlp, 3)
    nlp.to_disk(tmp_path)
    section = {"components": {NAME: {"model": {"mask": "hard", "pad_ratio": 0.9}}}}
    one, other = spacy.load(tmp_path), spacy.load(tmp_path, config=section)
    scores = [each.get_pipe(NAME).model.predict([each.make_doc(TEXTS[0])]).tags for each in (one, other)]
    assert (scores[0] != scores[1]).any()


@pytest.mark.parametrize("replaced", [False, True], ids=["upstream", "within the head"])
@pytest.mark.parametrize(
    ("key", "value"), [("batch_pieces", 7), ("mixed_precision", True), ("name", "/moved/{}")]
)
def test_the_encoder_follows_the_config(
    on_encoder: Path, tmp_path: Path, key: str, value: Any, replaced: bool
) -> None:
    nlp, path = spacy.load(on_encoder), "components.transformer.model"
    if isinstance(value, str):
        value = value.format(Path(nlp.get_pipe("transformer").model.attrs["name"]).name)
    if replaced:
        nlp.replace_listeners("transformer", NAME, ["model.tok2vec"])
        nlp.remove_pipe("transformer")
        path = f"components.{NAME}.model.tok2vec.transformer"
    nlp.to_disk(tmp_path)
    changed = spacy.load(tmp_path, config={f"{path}.{key}": value})
    nodes = [node for _, pipe in changed.pipeline for node in pipe.model.walk()]
    (encoder,) = (node for node in nodes if node.name == "frozen-transformer")
    assert encoder.attrs[key] == value
    assert len(entities(changed)) == len(TEXTS)


def test_a_setting_that_a_thread_changes_while_another_saves_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = plain_pipeline()
    train(nlp, 1)
    pipe = nlp.get_pipe(NAME)

    def sign(model: Any) -> int:
        nlp("word")
        pipe.cfg["threshold"] = 0.5
        return 0

    monkeypatch.setattr(configured_pipe, "signature", sign)
    pipe.to_bytes()
    assert pipe.cfg["threshold"] == 0.5
    assert SIGNATURE not in pipe.cfg


def test_the_lexical_channel_follows_the_config(on_encoder: Path) -> None:
    nlp = spacy.load(on_encoder, config={f"components.{NAME}.model.lexical.word_dropout": 0.5})
    (node,) = (node for node in nlp.get_pipe(NAME).model.walk() if node.name == "word_dropout")
    assert node.attrs["rate"] == 0.5


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        *(
            (f"{NAME}.model.{key}", value, f"{NAME}.model.{key} is {value} in the config")
            for key, value in FIXED.items()
        ),
        (f"{NAME}.model.lexical.attrs", ["NORM", "PREFIX"], r"model\.lexical\.attrs is \['NORM', 'PREFIX'\]"),
        (f"{NAME}.model.lexical.width", 4, "nO of its layer .* is 4, and they are of 8"),
        (f"{NAME}.model.lexical", None, "it has 4 layers, and they are of"),
        (f"{NAME}.model.nO", 7, "nO of its layer posattn_tagger is 7, and they are of 5"),
        (
            "transformer.model.layers",
            [0, 1],
            r"transformer\.model\.layers is \[0, 1\] .* was \[0, 2\] in training",
        ),
        ("transformer.model.pooling", "first", "transformer.model.pooling is 'first'"),
        ("transformer.model.name", "another-encoder", "transformer.model.name is 'another-encoder'"),
    ],
)
def test_the_shape_of_a_trained_model_stays(on_encoder: Path, setting: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message + r".*can't be changed after training"):
        spacy.load(on_encoder, config={f"components.{setting}": value})


def test_the_tokenizer_of_a_trained_model_stays(on_encoder: Path, tmp_path: Path) -> None:
    model = shutil.copytree(on_encoder, tmp_path / "model")
    config = load_config(model / "config.cfg")
    config["components"]["transformer"]["model"]["tokenizer_config"] = {"do_lower_case": False}
    config.to_disk(model / "config.cfg")
    with pytest.raises(ValueError, match=r"tokenizer_config is .* and was None in training"):
        spacy.load(model)
