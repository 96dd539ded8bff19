"""Names of earlier versions are refused with the new one in the sentence."""

import pytest

import jfool


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: jfool.GradientAscent(learning_rate=0.1),
            "GradientAscent: learning_rate is now called step_size",
        ),
        (lambda: jfool.EvolutionJob(label=[[1]]), "EvolutionJob: label is now called target"),
        (lambda: jfool.AscentJob(label=[1], base=[[0.0]]), "AscentJob: label is now called target"),
        (lambda: jfool.InversionJob(label=[1]), "InversionJob: label is now called target"),
    ],
)
def test_an_old_option_is_refused(make, message):
    with pytest.raises(TypeError, match=f"^{message}$"):
        make()


@pytest.mark.parametrize(
    ("old", "new"), [("GreedyPixels", "GreedySearch"), ("progress", "confidence_steps")]
)
def test_an_old_export_is_refused(old, new):
    with pytest.raises(AttributeError, match=f"^jfool.{old} is now called jfool.{new}$"):
        getattr(jfool, old)
    assert hasattr(jfool, new)
