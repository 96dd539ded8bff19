"""What an interrupted program leaves behind is never taken for good work."""

import pytest
from flax import nnx

from models import MLP, load_dataset, read_card, save


def network(seed=0):
    return MLP((4, 4, 1), 2, widths=(3, 3), rngs=nnx.Rngs(seed))


def test_an_interrupted_save_does_not_leave_new_weights_beside_the_old_card(monkeypatch, tmp_path):
    path = tmp_path / "mlp.safetensors"
    save(network(0), path, {"seed": 0})
    before = path.read_bytes()

    def break_off(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("models.cards.json.dumps", break_off)
    with pytest.raises(KeyboardInterrupt):
        save(network(1), path, {"seed": 1})
    if path.with_suffix(".json").exists():
        assert read_card(path) == {"seed": 0}
        assert path.read_bytes() == before


def test_weights_saved_without_a_card_do_not_inherit_that_of_others(tmp_path):
    path = tmp_path / "mlp.safetensors"
    save(network(0), path, {"seed": 0})
    save(network(1), path)
    with pytest.raises(FileNotFoundError, match="expected a card"):
        read_card(path)


def test_a_folder_that_preparing_left_half_done_is_passed_over(monkeypatch, tmp_path):
    """tensorflow-datasets prepares in `incomplete.XXXXXX_3.0.1`, which matches `*.*.*`."""
    folder = tmp_path / "mnist" / "incomplete.ABC123_3.0.1"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{}")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="mnist is not prepared"):
        load_dataset("mnist")


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_files_may_be_read_by_whom_the_mask_lets(suffix, tmp_path):
    """Groups share their weights; the library that writes them would keep them to their owner."""
    (tmp_path / "plain").touch()
    save(network(), tmp_path / "mlp.safetensors", {"seed": 0})
    written = (tmp_path / "mlp.safetensors").with_suffix(suffix)
    assert written.stat().st_mode == (tmp_path / "plain").stat().st_mode
