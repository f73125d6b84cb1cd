import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from occlufer.commands.hints import readable, spelling_hint
from occlufer.types import ConfigError, override


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trainer.max_epoch=3"], "Unknown setting 'trainer.max_epoch'. Did you mean 'trainer.max_epochs'?"),
        (["seed=1", "modle=x"], "Unknown setting 'modle'. Did you mean 'model'?"),
        (["-m", "model=resnet19"], "Unknown option of model 'resnet19'. Did you mean 'resnet18'?"),
        (["dataset=fer2013", "dataset.public_tset=test"], "Did you mean 'dataset.public_test'?"),
    ],
)
def test_the_nearest_spelling_is_named(words: list[str], message: str):
    hint = spelling_hint("train", words)
    assert hint is not None
    assert message in hint


def test_a_search_that_is_not_there_is_told_with_what_to_use():
    hint = spelling_hint("train", ["-m", "hydra/sweeper=optuna", "seed=0,1"])
    assert hint is not None
    assert "docs/scaling.md" in hint
    assert (Path(__file__).parents[2] / "docs" / "scaling.md").is_file()
    assert spelling_hint("train", ["-m", "hydra/sweeper=basic", "hydra/launcher=basic"]) is None


def test_dashes_of_a_wandb_agent_are_told_with_what_it_wants():
    with pytest.raises(ConfigError, match=r"settings have none: optimizer\.lr=0\.1\..*args_no_hyphens"):
        readable(["seed=1", "--optimizer.lr=0.1"])
    flags = ["--config-dir=own", "--config-dir", "--a=b", "--info=plugins", "--cfg=job", "--multirun"]
    assert readable(["seed=1", *flags]) == ["seed=1", *flags]


def test_what_is_known_has_no_hint():
    words = [
        "dataset=fer2013",
        "dataset.root=x",
        "+seed=1",
        "~fold",
        "hydra/launcher=local",
        "occlusion=none,mask",
    ]
    assert spelling_hint("train", words) is None


ODD = ["/faces (1)", "/图片/é", "/it's", "/a=b", "/a#b", "/a [1]", 'say "x"', "/a;b&c", "/{x}", "end\\"]
PLAIN = ["plain", "a,b", "/a b", "~", "null", "1e3", "true", "", " x ", "$HOME", 'q\\"z']


@pytest.mark.parametrize("value", ODD)
def test_what_hydra_cannot_read_is_told_in_the_form_that_it_can(value: str):
    """The words of the message are copied into a shell, and mean what was meant."""
    with pytest.raises(ConfigError, match=r"cannot be read.* Write .*dataset\.root") as told:
        readable(["dataset=fer2013", f"dataset.root={value}!"])
    (written,) = shlex.split(str(told.value).split(" Write ")[1])
    assert readable([written]) == [written]
    assert OverridesParser.create().parse_override(written).value() == f"{value}!"


@pytest.mark.parametrize(
    "value", [*ODD, "plain", "a,b", "/a b", "~", "null", "1e3", "true", "", " x ", "$HOME", 'q\\"z']
)
def test_a_word_of_a_message_is_that_word_in_a_shell(value: str):
    (word,) = shlex.split(override("dataset.root", value))
    assert OverridesParser.create().parse_override(word).value() == value


def test_the_home_folder_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/home/my name (é)")
    (word,) = readable(["dataset.root=~/x"])
    assert OverridesParser.create().parse_override(word).value() == "/home/my name (é)/x"
    assert readable(["~fold", "--cfg=~x", "-m"]) == ["~fold", "--cfg=~x", "-m"]


def test_flags_may_stand_anywhere():
    """Python's argparse takes overrides in one piece only."""
    words = ["seed=1", "-m", "fold=2", "--config-dir", "/a=b", "~x", "--info"]
    assert readable(words) == ["seed=1", "fold=2", "~x", "-m", "--config-dir", "/a=b", "--info"]


@pytest.mark.parametrize(
    ("word", "told"),
    [("conditions=[none,mask", "closed"), ("model.options={a:1", "closed"), ("+model.Über=x", "YAML")],
)  # fmt: skip
def test_other_words_that_cannot_be_read(word: str, told: str):
    with pytest.raises(ConfigError, match=told):
        readable([word])


@pytest.mark.parametrize("name", ["Überraschung", "faces (1)", "it's"])
def test_a_folder_name_that_is_no_key_is_told_as_a_list(name: str):
    with pytest.raises(ConfigError) as told:
        readable([f"+dataset.classes.{name}=surprise"])
    (written,) = shlex.split(str(told.value).split(" Write ")[1])
    said = OverridesParser.create().parse_override(written)
    assert (said.key_or_group, said.value()) == ("dataset.classes", [f"{name}: surprise"])


def test_a_path_that_the_shell_parted_at_its_spaces_is_told_with_its_quotes():
    with pytest.raises(ConfigError, match=r"^'nice' is no setting") as told:
        readable(["dataset=table", "dataset.root=/my", "nice", "photos", "-m", "seed=1"])
    (written,) = shlex.split(str(told.value).split(" quotes: ")[1])
    assert OverridesParser.create().parse_override(written).value() == "/my nice photos"
    for words in (["mine"], ["-m", "mine"], ["--config-dir=own", "mine"]):
        with pytest.raises(ConfigError, match=r"'mine' is no setting.*--help"):
            readable(words)


def test_a_command_says_it_in_one_line(occlufer, tmp_path):
    result = occlufer("prepare", "dataset=fer2013", "dataset.root=/faces (1)", cwd=tmp_path)
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.endswith("""Write 'dataset.root="/faces (1)"'""")
