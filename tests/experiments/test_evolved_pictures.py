"""The user's pictures: what is read, how it is scaled, and what is refused."""

import jax
import numpy as np
import pytest
from PIL import Image

import jfool
from experiments import lab
from experiments.lab.settings import check
from experiments.nguyen2015.pictures import PictureFolder, read_pictures


@lab.settings
class Settings:
    pictures: PictureFolder | None


@pytest.fixture(scope="module")
def grown():
    """Four networks' pictures, 24 x 36."""
    encoding = jfool.CPPN((12, 12, 3), "rgb", max_nodes=8, max_connections=16)
    genomes = encoding.start(jax.random.key(2), 4)
    images = jax.jit(jax.vmap(lambda genome: encoding.render(genome, 24, 36)))(genomes)
    return np.rint(np.asarray(images) * 255).astype(np.uint8)


def save(folder, name, image):
    Image.fromarray(image).save(folder / name)


def levels(found):
    """Images in bytes."""
    return np.rint(found["image"] * 255).astype(np.uint8)


def test_pictures_are_read_by_name_and_their_middle_scaled(grown, tmp_path):
    for name, image in zip(("d.png", "b.PNG", "a.jpg", "c.jpeg"), grown, strict=True):
        save(tmp_path, name, image)
    found = read_pictures(tmp_path, (24, 24, 3))
    assert found["file"].tolist() == ["a.jpg", "b.PNG", "c.jpeg", "d.png"]
    assert found["image"].shape == (4, 24, 24, 3)
    np.testing.assert_array_equal(levels(found)[3], grown[0][:, 6:30])
    np.testing.assert_array_equal(levels(found)[1], grown[1][:, 6:30])
    half = read_pictures(tmp_path, (12, 12, 3))["image"][3]
    blocks = grown[0][:, 6:30].reshape(12, 2, 12, 2, 3).mean((1, 3))
    assert np.corrcoef(half.ravel(), blocks.ravel())[0, 1] > 0.97
    check(Settings(tmp_path))
    check(Settings(None))


def test_grey_networks_see_the_brightness(grown, tmp_path):
    save(tmp_path, "a.png", grown[0])
    (image,) = levels(read_pictures(tmp_path, (24, 36, 1)))
    weighed = grown[0] @ np.array([0.299, 0.587, 0.114])
    assert image.shape == (24, 36, 1)
    assert np.abs(image[..., 0] - weighed).max() <= 1


def test_transparent_parts_are_white_and_turned_photographs_upright(tmp_path):
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:2, :, 3] = 255  # the upper half is black, the lower is not there
    save(tmp_path, "a.png", clear)
    turned = Image.new("RGB", (16, 16), "black")
    turned.paste("white", (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "b.jpg", exif=exif, quality=100)
    first, second = levels(read_pictures(tmp_path, (4, 4, 1)))[..., 0]
    assert (first[:2] == 0).all()
    assert (first[2:] == 255).all()
    assert (second[0] < 20).all()
    assert (second[3] > 235).all()


def _text_named_as_picture(folder):
    (folder / "a.png").write_text("no picture at all")


def _cut_off(folder):
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    save(folder, "a.png", image)
    whole = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(whole[: len(whole) // 2])


def _other_format(folder):
    Image.new("RGB", (4, 4)).save(folder / "a.png", format="GIF")


def _deep(folder):
    save(folder, "a.png", np.zeros((4, 4), np.uint16))


def _link_out(folder):
    outside = folder.parent / "outside.png"
    Image.new("RGB", (4, 4)).save(outside)
    (folder / "a.png").symlink_to(outside)


def _folder_named_as_picture(folder):
    (folder / "a.png").mkdir()


def _huge(folder):
    Image.new("1", (20_000, 3_000)).save(folder / "a.png")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: None, "expected PNG or JPEG files in .*, got none"),
        (
            lambda folder: (folder / "notes.txt").touch(),
            r"expected PNG or JPEG files alone.*txt",
        ),
        (lambda folder: (folder / "README").mkdir(), "expected PNG or JPEG files alone.*README"),
        (_folder_named_as_picture, r"expected PNG or JPEG files alone, got .*a\.png"),
        (_text_named_as_picture, r"expected a whole PNG or JPEG file, got .*a\.png"),
        (_cut_off, r"expected a whole PNG or JPEG file, got .*a\.png"),
        (_other_format, r"expected a whole PNG or JPEG file, got .*a\.png"),
        (_deep, r"expected at most 8 bits a channel and 50000000 pixels, got mode I;16 and 4 x 4"),
        (_huge, r"expected at most 8 bits .* got mode 1 and 20000 x 3000 in"),
        (_link_out, r"expected files in the folder, got the link .*a\.png out of it"),
    ],
)
def test_what_is_no_picture_is_refused(make, sentence, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    make(folder)
    for read in (
        lambda folder: check(Settings(folder)),
        lambda folder: read_pictures(folder, (4, 4, 3)),
    ):
        with pytest.raises(ValueError, match=f"^pictures: {sentence}"):
            read(folder)


def test_what_systems_leave_is_skipped_and_counted(grown, tmp_path, capsys):
    save(tmp_path, "a.JPG", grown[0])
    for name in (".DS_Store", "Thumbs.db", "._a.JPG", ".hidden.png", "desktop.ini"):
        (tmp_path / name).write_bytes(b"stray")
    (tmp_path / "@eaDir").mkdir()
    check(Settings(tmp_path))
    assert read_pictures(tmp_path, (4, 4, 3))["file"].tolist() == ["a.JPG"]
    assert "1 read, 6 hidden or of the system skipped" in capsys.readouterr().err


def test_pictures_of_all_kinds_of_colors_are_read_as_they_look(tmp_path):
    red, gray = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("L", (8, 8), 100)
    red.convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    red.convert("P").save(tmp_path / "b.png")
    gray.save(tmp_path / "c.jpeg", quality=100)
    gray.convert("LA").save(tmp_path / "d.png")
    red.save(tmp_path / "e.png", save_all=True, append_images=[gray.convert("RGB")])  # moves
    found = levels(read_pictures(tmp_path, (4, 4, 3)))
    for image, color in zip(
        found, [(255, 0, 0)] * 2 + [(100,) * 3] * 2 + [(255, 0, 0)], strict=True
    ):
        assert np.abs(image.astype(int) - color).max() <= 4


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pictures: expected a folder, got none at .*/no$"):
        check(Settings(tmp_path / "no"))


def test_links_inside_the_folder_are_pictures(grown, tmp_path):
    save(tmp_path, "b.png", grown[0])
    (tmp_path / "a.png").symlink_to("b.png")
    first, second = read_pictures(tmp_path, (24, 36, 3))["image"]
    np.testing.assert_array_equal(first, second)
