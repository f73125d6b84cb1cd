import pytest

from occlufer.commands.hints import spelling_hint


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
