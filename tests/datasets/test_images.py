import contextlib
import io
import os
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from occlufer.datasets.images import MAX_PIXELS, content_problem, decode_image, read_image
from occlufer.types import ImageError


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ramp(height: int = 20, width: int = 30) -> np.ndarray:
    """Brighter to the right, redder than blue."""
    grey = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    return np.stack([grey, grey * 0.6, grey * 0.2], axis=2).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_colour_comes_back_exactly(kind: str):
    image = decode_image(encoded(Image.fromarray(ramp()), kind), where="x")
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    np.testing.assert_array_equal(image, ramp())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_colour_comes_back_nearly_and_not_as_bgr(kind: str):
    image = decode_image(encoded(Image.fromarray(ramp()), kind, quality=95), where="x")
    assert np.abs(image.astype(int) - ramp()).mean() < 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF"])
def test_grey_becomes_three_equal_channels(kind: str):
    grey = ramp()[:, :, 0]
    image = decode_image(encoded(Image.fromarray(grey), kind), where="x")
    assert image.shape == (20, 30, 3)
    assert np.ptp(image, axis=2).max() == 0
    assert np.abs(image[:, :, 0].astype(int) - grey).max() < 12


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str):
    grey16 = (ramp()[:, :, 0].astype(np.uint16)) * 257
    image = decode_image(encoded(Image.fromarray(grey16), kind), where="x")
    np.testing.assert_array_equal(image[:, :, 0], ramp()[:, :, 0])


@pytest.mark.parametrize("bits", [10, 12])
def test_fewer_bits_in_sixteen_are_not_taken_for_a_dark_picture(bits: int):
    most = 2**bits - 1
    grey = np.round(ramp()[:, :, 0] * (most / 255)).astype(np.uint16)
    grey[0, 0] = most
    image = decode_image(encoded(Image.fromarray(grey), "PNG"), where="x")[:, :, 0]
    assert np.abs(image[1:].astype(int) - ramp()[1:, :, 0]).max() <= 1
    assert image[0, 0] == 255


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("ending", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_more_than_eight_bits_are_scaled(bits: int, ending: str, channels: int):
    """Pillow keeps their upper byte: twelve bits in sixteen would be all but black."""
    colours = np.stack([ramp()[:, :, 0], ramp()[:, ::-1, 0], ramp()[::-1, :, 0]], axis=2)
    deep = np.round(colours * ((2**bits - 1) / 255)).astype(np.uint16)
    deep[0, 0] = 2**bits - 1
    if channels == 4:
        deep = np.dstack([deep, np.full(deep.shape[:2], 2**bits - 1, np.uint16)])
    content = cv2.imencode(ending, deep[:, :, [2, 1, 0, 3][:channels]])[1].tobytes()
    image = decode_image(content, where="x")
    assert image.shape == (20, 30, 3)
    assert np.abs(image[1:].astype(int) - colours[1:]).max() <= 1
    with pytest.raises(ImageError):
        decode_image(content[:-60], where="x")


def test_transparent_pixels_are_laid_on_white():
    rgba = np.zeros((20, 20, 4), np.uint8)
    rgba[:, :, 0] = 200
    rgba[:10, :, 3] = 255
    image = decode_image(encoded(Image.fromarray(rgba), "PNG"), where="x")
    assert image[2, 2].tolist() == [200, 0, 0]
    assert image[15, 2].tolist() == [255, 255, 255]


def test_grey_with_alpha():
    grey_alpha = np.full((20, 20, 2), 128, np.uint8)
    image = decode_image(encoded(Image.fromarray(grey_alpha, "LA"), "PNG"), where="x")
    assert abs(int(image[0, 0, 0]) - 191) <= 1


def test_palette_with_a_transparent_colour():
    picture = Image.fromarray(ramp()).quantize(8)
    plain = decode_image(encoded(picture, "PNG"), where="x")
    assert np.abs(plain.astype(int) - ramp()).mean() < 15
    hole = picture.getpixel((0, 0))
    image = decode_image(encoded(picture, "PNG", transparency=hole), where="x")
    assert image[0, 0].tolist() == [255, 255, 255]


def test_one_bit_images():
    image = decode_image(encoded(Image.fromarray(ramp()).convert("1", dither=0), "PNG"), where="x")
    assert set(np.unique(image)) == {0, 255}


def test_cmyk_jpeg_is_neither_inverted_nor_left_in_four_channels():
    picture = Image.fromarray(ramp()).convert("CMYK")
    image = decode_image(encoded(picture, "JPEG", quality=95), where="x")
    assert np.abs(image.astype(int) - ramp()).mean() < 10


def test_exif_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    image = decode_image(encoded(Image.fromarray(ramp()), "JPEG", exif=exif, quality=95), where="x")
    assert image.shape == (30, 20, 3)
    np.testing.assert_allclose(image, np.rot90(ramp(), -1).astype(int), atol=40)
    assert image[-1].mean() > image[0].mean() + 50


def test_damaged_exif_costs_the_rotation_not_the_face(recwarn: pytest.WarningsRecorder):
    content = encoded(Image.fromarray(ramp()), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f broken")
    assert decode_image(content, where="x").shape == (20, 30, 3)
    assert not recwarn.list


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(decode_image(content, where="x")[0, 0], [255, 0, 0], atol=3)


def bad_contents() -> dict[str, tuple[bytes, str]]:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8))
    jpeg, png, gif = (encoded(noise, kind) for kind in ("JPEG", "PNG", "GIF"))
    tiff = encoded(noise, "TIFF", compression="tiff_lzw")
    flat = encoded(noise, "TIFF")
    webp = encoded(noise, "WEBP")
    return {
        "zero-byte": (b"", "empty"),
        "text": (b"<html>404 not found</html>", "not an image"),
        "zeros": (bytes(5000), "not an image"),
        "half a jpeg": (jpeg[: len(jpeg) // 2], "cannot be decoded"),
        "jpeg header only": (jpeg[:12], "cannot be decoded"),
        "half a png": (png[: len(png) // 2], "cannot be decoded"),
        "half a gif": (gif[: len(gif) // 2], "cannot be decoded"),
        "half a tiff": (tiff[: len(tiff) // 2], "cannot be decoded"),
        "half a flat tiff": (flat[: len(flat) // 2], "cannot be decoded"),
        "half a webp": (webp[: len(webp) // 2], "cannot be decoded"),
        "png with a flipped bit": (png[:200] + bytes([png[200] ^ 255]) + png[201:], "cannot be decoded"),
        "1x1": (encoded(Image.new("RGB", (1, 1)), "PNG"), "1x1 pixels, too small"),
        "15 high": (encoded(Image.new("RGB", (64, 15)), "PNG"), "64x15 pixels, too small"),
        "float": (encoded(Image.new("F", (20, 20)), "TIFF"), "range is not known"),
        "32-bit": (encoded(Image.new("I", (20, 20), 70000), "TIFF"), "range is not known"),
    }


@pytest.mark.parametrize("case", bad_contents())
def test_bad_files_are_named_with_the_reason_and_nothing_leaks(
    case: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
):
    content, reason = bad_contents()[case]
    path = tmp_path / "face.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert not recwarn.list


def test_any_truncation_gives_an_image_or_an_image_error(capfd: pytest.CaptureFixture[str]):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8))
    for kind in ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"):
        content = encoded(noise, kind)
        for length in range(0, len(content), 7):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with contextlib.suppress(ImageError):
                    assert decode_image(content[:length], where="x").shape == (24, 24, 3)
    assert tuple(capfd.readouterr()) == ("", "")


def test_any_flipped_byte_gives_an_image_or_an_image_error(capfd: pytest.CaptureFixture[str]):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8))
    rng = np.random.default_rng(1)
    for kind, options in (("JPEG", {}), ("PNG", {}), ("GIF", {}), ("TIFF", {}), ("WEBP", {}),
                          ("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {"compression": "jpeg"})):  # fmt: skip
        content = encoded(noise, kind, **options)
        for _ in range(150):
            damaged = bytearray(content)
            damaged[rng.integers(len(content))] = rng.integers(256)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with contextlib.suppress(ImageError):
                    assert decode_image(bytes(damaged), where="x").ndim == 3
    assert tuple(capfd.readouterr()) == ("", "")


def test_compressed_tiffs_leave_stderr_open(capfd: pytest.CaptureFixture[str]):
    for compression in ("tiff_lzw", "tiff_deflate", "jpeg"):
        content = encoded(Image.fromarray(ramp()), "TIFF", compression=compression)
        assert np.abs(decode_image(content, where="x").astype(int) - ramp()).mean() < 6
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_huge_images_are_refused_from_the_header(monkeypatch: pytest.MonkeyPatch):
    content = encoded(Image.new("1", (7_100, 7_100)), "PNG")  # 50.4 Mpx in a few kB
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("was decoded"))
    with pytest.raises(ImageError, match="more than 50,000,000"):
        decode_image(content, where="x")
    assert MAX_PIXELS == 50_000_000


def test_the_pixel_bound_can_be_set_and_is_inclusive():
    content = encoded(Image.fromarray(ramp()), "PNG")
    assert decode_image(content, where="x", max_pixels=600).shape == (20, 30, 3)
    with pytest.raises(ImageError, match="30x20 pixels, more than 599"):
        decode_image(content, where="x", max_pixels=599)


def test_missing_file_and_folder(tmp_path: Path):
    with pytest.raises(ImageError, match="cannot be opened: No such file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="cannot be opened"):
        read_image(tmp_path)


def test_content_problem_looks_at_the_first_bytes_only():
    assert content_problem(encoded(Image.fromarray(ramp()), "JPEG")[:8]) is None
    assert content_problem(b"") == "is empty (0 bytes)"
    assert "not an image" in (content_problem(b"P9 1 2") or "")
