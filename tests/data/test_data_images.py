"""Folders of images: what is read of them, what is wrong with them, and how they are stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import damaged
from PIL import Image

from tuner.data import (
    Batches,
    Store,
    fingerprint,
    images,
    input_names,
    pixels,
    preprocess,
    read_inputs,
    sources,
    standardise,
)
from tuner.errors import DataError
from tuner.spec.sections import DataSpec, ImageFolderSource

Prepare = Callable[..., Store]
TASK = "image_classification"
SHAPE = (5, 6, 3)
RED, WHITE = (255, 0, 0), (255, 255, 255)


def picture(seed: int, shape: tuple[int, ...] = SHAPE) -> Any:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_folder(root: Path, num_rows: int = 10, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """`num_rows` pictures a class; each value of the second class is 255 minus that of the first."""
    for place, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for row in range(num_rows):
            values = picture(row) if place == 0 else 255 - picture(row)
            Image.fromarray(values).save(root / name / f"{row:02}.png")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "it's a folder")


def source(path: Any) -> dict[str, Any]:
    return {
        "type": "image_folder",
        "path": {k: str(v) for k, v in path.items()} if isinstance(path, dict) else str(path),
    }


def spec(path: Any, **fields: Any) -> DataSpec:
    return DataSpec.model_validate({"source": source(path), **fields})


def decode(tmp_path: Path, image: Image.Image, name: str = "a.png", mode: str = "rgb", **options: Any) -> Any:
    """[height, width, channels] of one image that is written and read."""
    file = tmp_path / name
    image.save(file, **options)
    decoded, wrong = images.decode_files([file], mode, None)
    assert not wrong
    return decoded[0].transpose(1, 2, 0)


# --- what a file means -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp"])
def test_colours_are_as_they_were_written(tmp_path: Path, name: str) -> None:
    options = {"lossless": True} if name == "a.webp" else {}
    np.testing.assert_array_equal(decode(tmp_path, Image.fromarray(picture(0)), name, **options), picture(0))


def test_jpeg_is_near(tmp_path: Path) -> None:
    smooth = np.stack([np.add.outer(np.arange(16), np.arange(16)) * 8] * 3, axis=2).astype(np.uint8)
    found = decode(tmp_path, Image.fromarray(smooth), "a.JPEG", quality=95)
    assert np.abs(found.astype(int) - smooth).max() <= 4


def test_grey_of_colours_and_colours_of_grey(tmp_path: Path) -> None:
    assert decode(tmp_path, Image.new("RGB", (2, 1), RED), mode="grey").tolist() == [[[76], [76]]]
    assert decode(tmp_path, Image.new("L", (2, 1), 9)).tolist() == [[[9, 9, 9]] * 2]


def test_palettes_and_animations(tmp_path: Path) -> None:
    frames = [Image.new("P", (2, 1)) for _ in range(2)]
    for frame, colour in zip(frames, (RED, WHITE), strict=True):
        frame.putpalette(colour)
    found = decode(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert found.tolist() == [[list(RED)] * 2]
    assert decode(tmp_path, frames[1], "b.png").tolist() == [[list(WHITE)] * 2]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_shows_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 51))
    name = "a.tif" if mode == "PA" else "a.png"
    converted = image.convert("LA") if mode == "LA" else image
    assert decode(tmp_path, converted, name)[0, :, 0].tolist() == [255, 204, 0]


def test_16_bits_keep_the_upper_8(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 65535]], dtype=np.uint16)
    assert decode(tmp_path, Image.fromarray(values), mode="grey").ravel().tolist() == [0, 0, 1, 255]


def test_cmyk(tmp_path: Path) -> None:
    assert (
        np.abs(decode(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "a.jpg")[0, 0] - RED).max() <= 2
    )


def test_a_photograph_is_turned_as_its_camera_was(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees clockwise when it is shown
    found = decode(tmp_path, Image.fromarray(picture(0)), exif=exif)
    np.testing.assert_array_equal(found, np.rot90(picture(0), -1))


def test_resizing_averages_and_takes_the_height_first(tmp_path: Path) -> None:
    board = np.indices((40, 60)).sum(axis=0) % 2 * 255
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "a.png")
    (decoded,), wrong = images.decode_files([tmp_path / "a.png"], "grey", (4, 6))
    assert not wrong
    assert decoded.shape == (1, 4, 6)
    assert np.abs(decoded.astype(int) - 127).max() <= 4, "a picture that is not averaged is black and white"


@pytest.mark.parametrize("size", [None, (3, 4)])
def test_chunks_change_no_byte(
    folder: Path, size: images.Size | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = images_of(folder)
    files[4].write_bytes(b"no image")
    whole, wrong = images.decode_files(files, "rgb", size, map_chunks=map)
    monkeypatch.setattr(images, "_CHUNK_FILES", 3)
    in_parts, wrong_in_parts = images.decode_files(files, "rgb", size)
    assert in_parts.tobytes() == whole.tobytes()
    assert wrong_in_parts == wrong
    assert list(wrong) == [4]


def images_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.tif", "a.bmp"])
def test_a_damaged_file_is_an_image_or_wrong(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    Image.fromarray(picture(0, (12, 12, 3))).save(file)
    for content in damaged(file.read_bytes(), count=40):
        file.write_bytes(content)
        decoded, wrong = images.decode_files([file], "rgb", (4, 4))
        assert decoded.shape == (1, 3, 4, 4)
        assert not wrong or str(file) in wrong[0]


def test_a_bomb_is_not_decoded(tmp_path: Path) -> None:
    Image.new("1", (9000, 8000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 20_000
    _, wrong = images.decode_files([tmp_path / "bomb.png"], "rgb", (4, 4))
    assert "an image may have 64000000 pixels, but" in wrong[0]
    assert "bomb.png has 8000 x 9000; make it smaller" in wrong[0]


# --- the source --------------------------------------------------------------------------------------------


def test_contract(folder: Path) -> None:
    table = sources.read(spec(folder).source)
    assert [path.relative_to(folder).as_posix() for path in table.features[[0, 1, 10]]] == [
        "cat/00.png",
        "cat/01.png",
        "dog/00.png",
    ]
    assert table.targets.tolist() == ["cat"] * 10 + ["dog"] * 10
    assert table.features.tolist() == sources.read(spec(folder).source).features.tolist()


def test_a_store_of_bytes(prepared: Prepare, folder: Path) -> None:
    store = prepared(source(folder), TASK)
    assert store.manifest.class_names == ("cat", "dog")
    assert store.manifest.input_shape == (3, 5, 6)
    assert store.manifest.sizes == {"train": 14, "val": 3, "test": 3}
    assert np.load(store.path / "train_features.npy").dtype == np.uint8
    rows = store.split("train").features[0:14]
    assert rows.dtype == np.float32
    assert rows.mean(axis=(0, 2, 3)) == pytest.approx(np.zeros(3), abs=1e-5)
    assert rows.std(axis=(0, 2, 3)) == pytest.approx(np.ones(3), abs=1e-5)


def test_a_store_knows_the_file_of_each_row(prepared: Prepare, folder: Path) -> None:
    (folder / "cat" / "03.png").write_bytes(b"no image")
    store = prepared(source(folder), TASK, standardise=False, clean={"invalid": "drop"})
    found = []
    for split in store.manifest.sizes:
        files = [file.decode() for file in store.files(split)]
        for row, file in zip(store.split(split).features[0:99], files, strict=True):
            with Image.open(folder / file) as image:
                np.testing.assert_array_equal(np.asarray(image).transpose(2, 0, 1), row)
        found += files
    assert sorted(found) == [f"cat/{row:02}.png" for row in range(10) if row != 3] + [
        f"dog/{row:02}.png" for row in range(10)
    ]


def test_names_of_files_that_are_damaged_or_not_there(prepared: Prepare, folder: Path) -> None:
    store = prepared(source(folder), TASK)
    names = store.path / "train_files.npy"
    np.save(names, np.array([b"cat/00.png"]))
    with pytest.raises(DataError, match=r"train split as it was written, but .* \(it has 1 names of files\)"):
        store.files("train")
    names.write_bytes(b"nothing")
    with pytest.raises(DataError, match="train split as it was written"):
        store.files("train")
    names.unlink()  # as in stores of version 0.1
    assert store.files("train") is None


def test_batches_are_the_images_of_their_classes(prepared: Prepare, folder: Path) -> None:
    store = prepared(source(folder), TASK, standardise=False)
    known = {picture(row).transpose(2, 0, 1).astype(np.float32).tobytes(): 0 for row in range(10)}
    known |= {(255 - picture(row)).transpose(2, 0, 1).astype(np.float32).tobytes(): 1 for row in range(10)}
    batches = Batches(store.split("train"), batch_size=14, micro_batch=7, rank=0, num_ranks=1, seed=0)
    ((first, second),) = batches.epoch(0)
    for x, y in (first, second):
        assert [known[row.tobytes()] for row in x] == y.tolist()


@pytest.mark.parametrize("robust", [False, True])
def test_moments_of_bytes_are_those_of_numbers(robust: bool) -> None:
    stored = np.random.default_rng(0).binomial(255, 0.3, (301, 2, 5, 6)).astype(np.uint8)
    stored[:, 1] = 7
    mean, std = pixels.fit([stored[:100], stored[100:]], robust)
    expected_mean, expected_std = standardise.fit(stored.astype(np.float32), robust)
    assert mean == pytest.approx(expected_mean, rel=1e-6)
    assert std == pytest.approx(expected_std, rel=1e-6)
    assert (mean[1], std[1]) == (7, 1)


def test_sizes_and_modes(prepared: Prepare, folder: Path) -> None:
    assert prepared(source(folder), TASK, image={"size": 4}).manifest.input_shape == (3, 4, 4)
    grey = prepared(source(folder), TASK, image={"size": [4, 8], "mode": "grey"})
    assert grey.manifest.input_shape == (1, 4, 8)


def test_a_folder_a_split(prepared: Prepare, tmp_path: Path) -> None:
    parts = {name: write_folder(tmp_path / name, rows) for name, rows in {"train": 4, "val": 2}.items()}
    store = prepared(source(parts), TASK, standardise=False)
    assert store.manifest.sizes == {"train": 8, "val": 4, "test": 0}
    np.testing.assert_array_equal(store.split("val").features[0:2][1], picture(1).transpose(2, 0, 1))
    write_folder(tmp_path / "test", 1, ("cat", "eel"))
    with pytest.raises(
        DataError, match=r"every label must stand in the training rows, but .*eel/00.png .*'eel'"
    ):
        prepared(source(parts | {"test": tmp_path / "test"}), TASK)
    dropped = prepared(source(parts | {"test": tmp_path / "test"}), TASK, clean={"invalid": "drop"})
    assert (dropped.manifest.sizes["test"], dropped.manifest.dropped["label_unseen"].count) == (1, 1)


def test_names_and_content_decide_the_store_and_the_place_does_not(folder: Path) -> None:
    first = fingerprint(spec(folder), TASK)
    moved = folder.rename(folder.with_name("moved"))
    (moved / "README").touch()
    (moved / "cat" / ".hidden").touch()
    assert fingerprint(spec(moved), TASK) == first
    (moved / "cat" / "00.png").rename(moved / "cat" / "zz.png")
    renamed = fingerprint(spec(moved), TASK)
    Image.fromarray(picture(99)).save(moved / "cat" / "zz.png")
    changed = fingerprint(spec(moved), TASK)
    sizes = {fingerprint(spec(moved, image={"size": size}), TASK) for size in (4, [4, 5])}
    assert len({first, renamed, changed, *sizes}) == 5


def test_an_older_recipe_keeps_its_name() -> None:
    plain = DataSpec.model_validate({"source": {"type": "two_class", "samples": 40}})
    assert fingerprint(plain, "tabular_classification") == OLDER


OLDER = "0582381c12d8e203351dc997284702d004abb93bb39ce8ccfbc375b51f4ba0e2"


# --- what is wrong -----------------------------------------------------------------------------------------


def text_instead(file: Path) -> None:
    file.write_text("not a picture")


def cut(file: Path) -> None:
    Image.fromarray(picture(0, (64, 64, 3))).resize((6, 5)).save(file)
    file.write_bytes(file.read_bytes()[:80])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def larger(file: Path) -> None:
    Image.fromarray(picture(0, (7, 6, 3))).save(file)


def real_numbers(file: Path) -> None:
    Image.fromarray(np.ones((5, 6), np.float32)).save(file, format="TIFF")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (text_instead, r"an image must be readable, but .*dog/03.png is not: it is none of PNG, JPEG"),
        (cut, r"an image must be readable, but .*dog/03.png is not: .*; replace it, or drop such files with"),
        (empty, r"an image must be readable, but .*dog/03.png is not: it is none of PNG"),
        (
            larger,
            r"images must have one size, but .*dog/03.png has 7 x 6 pixels .* others have 5 x 6; set data.im",
        ),
        (real_numbers, r"an image must be readable, but .*dog/03.png is not: its values have 32 bits"),
    ],
)
def test_a_file_that_cannot_be_used(prepared: Prepare, folder: Path, spoil: Any, match: str) -> None:
    spoil(folder / "dog" / "03.png")
    with pytest.raises(DataError, match=match):
        prepared(source(folder), TASK)
    store = prepared(source(folder), TASK, clean={"invalid": "drop"})
    assert sum(store.manifest.sizes.values()) == 19
    (example,) = store.manifest.dropped["image_invalid"].examples
    assert (example.file, example.row) == (str(folder / "dog" / "03.png"), None)


def test_another_file_among_the_images_is_noticed(prepared: Prepare, folder: Path) -> None:
    (folder / "cat" / "notes.txt").write_text("remember")
    with pytest.raises(DataError, match=r"cat/notes.txt is not: it is none of"):
        prepared(source(folder), TASK)


def test_an_empty_class_is_noticed_also_where_files_are_dropped(prepared: Prepare, folder: Path) -> None:
    with_an_empty_class(folder)
    with pytest.raises(DataError, match=r"must hold images, but .*eel is empty; remove it or add"):
        prepared(source(folder), TASK, clean={"invalid": "drop"})


def test_a_folder_is_of_one_split(prepared: Prepare, folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"but .* is given for train and val; name another one, or leave test"
    ):
        prepared(source({"train": str(folder), "val": str(folder / "cat" / "..")}), TASK)


def test_nothing_can_be_used(prepared: Prepare, folder: Path) -> None:
    for file in images_of(folder):
        empty(file)
    with pytest.raises(
        DataError, match=r"must have images that can be used, but none of 20 can: an image must"
    ):
        prepared(source(folder), TASK, clean={"invalid": "drop"})


def without_a_class(folder: Path) -> Path:
    return folder / "cat"


def with_an_empty_class(folder: Path) -> Path:
    (folder / "eel").mkdir()
    return folder


def with_a_folder_in_a_class(folder: Path) -> Path:
    (folder / "cat" / "old").mkdir()
    return folder


def with_a_link_to_nothing(folder: Path) -> Path:
    (folder / "cat" / "link.png").symlink_to("nothing")
    return folder


def with_one_class(folder: Path) -> Path:
    for file in (folder / "dog").iterdir():
        file.unlink()
    (folder / "dog").rmdir()
    return folder


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (without_a_class, r"must hold a folder for each class, but .*cat has none; make them, or correct"),
        (
            with_an_empty_class,
            r"the folder of a class must hold images, but .*eel is empty; remove it or add",
        ),
        (with_a_folder_in_a_class, r"must hold files only, but .*cat/old is a folder; move it away"),
        (with_a_link_to_nothing, r"must hold files only, but .*cat/link.png is none; move it away"),
        (with_one_class, r"at least two classes, but all 10 rows have the label 'cat'"),
        (
            lambda folder: folder / "absent",
            r"from a folder, but at .*absent nothing is there; correct the path",
        ),
        (
            lambda folder: folder / "cat" / "00.png",
            r"from a folder, but at .*00.png a file is there; correct",
        ),
    ],
)
def test_a_folder_that_is_none_of_images(prepared: Prepare, folder: Path, change: Any, match: str) -> None:
    with pytest.raises(DataError, match=match):
        prepared(source(change(folder)), TASK)


# --- new images --------------------------------------------------------------------------------------------


def test_new_images_are_prepared_as_in_training(prepared: Prepare, folder: Path, tmp_path: Path) -> None:
    store = prepared(source(folder), TASK, image={"size": 4, "mode": "grey"})
    rows = preprocess(read_inputs(folder, store.manifest), store.manifest)
    stored = np.concatenate([store.split(name).features[0:14] for name in ("train", "val", "test")])
    assert sorted(row.tobytes() for row in rows) == sorted(row.tobytes() for row in stored)
    names = input_names(folder, store.manifest)
    assert names is not None
    assert (names[0], names[-1]) == ("cat/00.png", "dog/09.png")
    one = folder / "cat" / "03.png"
    np.testing.assert_array_equal(read_inputs(one, store.manifest), read_inputs(folder, store.manifest)[3:4])
    assert input_names(one, store.manifest) == ["03.png"]
    other = tmp_path / "OTHER.JPG"
    Image.fromarray(picture(5, (50, 20, 3))).save(other)
    assert read_inputs(other, store.manifest).shape == (1, 1, 4, 4)


def test_arrays_of_new_images(prepared: Prepare, folder: Path, tmp_path: Path) -> None:
    store = prepared(source(folder), TASK)
    np.save(tmp_path / "new.npy", picture(0).transpose(2, 0, 1)[None])
    rows = preprocess(read_inputs(tmp_path / "new.npy", store.manifest), store.manifest)
    file = preprocess(read_inputs(folder / "cat" / "00.png", store.manifest), store.manifest)
    np.testing.assert_array_equal(rows, file)
    assert input_names(tmp_path / "new.npy", store.manifest) is None


def test_new_images_that_cannot_be_used(prepared: Prepare, folder: Path, tmp_path: Path) -> None:
    store = prepared(source(folder), TASK)
    (tmp_path / "new").mkdir()
    with pytest.raises(DataError, match=r"must have an image, but the folder .*new has no file; give one"):
        read_inputs(tmp_path / "new", store.manifest)
    text_instead(tmp_path / "new" / "a.png")
    with pytest.raises(DataError, match=r"must be readable, but .*new/a.png is not"):
        read_inputs(tmp_path / "new", store.manifest)
    digits = prepared({"type": "sklearn", "name": "digits"}, TASK)
    with pytest.raises(
        DataError, match=r"a model of images in arrays takes a file ending in .npz, .npy, but"
    ):
        read_inputs(folder / "cat" / "00.png", digits.manifest)
    with pytest.raises(DataError, match=r"must be read from a file, but at .*absent.png nothing is there"):
        read_inputs(tmp_path / "absent.png", store.manifest)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(
        DataError,
        match=r"a model of images takes a file .*.npy, or a folder of such, but found .*csv; convert",
    ):
        read_inputs(tmp_path / "rows.csv", store.manifest)
    assert isinstance(spec(folder).source, ImageFolderSource)
