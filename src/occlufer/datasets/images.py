"""Decoding any image file to uint8 RGB, or an `ImageError` that says which file and why.

Pillow reads everything: unlike OpenCV it raises on truncated files instead of printing and returning half a
face.
"""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from occlufer.quiet import ANYTHING, quiet_native_code
from occlufer.types import ImageError, UInt8Array

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
"""File name endings, lower case, that are taken for images in a tree."""

MIN_SIDE = 16
"""Shortest side in pixels that can hold a face."""

MAX_PIXELS = 50_000_000
"""Width times height from which a file is refused before any pixel is decoded."""

# Named one by one: Pillow would also hand PostScript to an outside program, for instance.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"RIFF",
               b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")  # fmt: skip
SIGNATURE_BYTES = 8
_BITS_PER_SAMPLE, _ORIENTATION = 258, 274  # tags of TIFF and EXIF
logging.getLogger("PIL").setLevel(logging.CRITICAL)  # it logs as errors what it also raises


def read_image(path: Path, *, min_side: int = MIN_SIDE, max_pixels: int = MAX_PIXELS) -> UInt8Array:
    """Read and decode one file; see `decode_image`. A file that cannot be opened is an `ImageError` too."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened: {error.strerror or error}.") from None
    return decode_image(content, where=str(path), min_side=min_side, max_pixels=max_pixels)


def decode_image(
    content: bytes, *, where: str, min_side: int = MIN_SIDE, max_pixels: int = MAX_PIXELS
) -> UInt8Array:
    """Decode the bytes of an image file.

    Transparent pixels are laid on white, so that what a file hides stays hidden; 16 bits are scaled to 8, from the 8,
    10 or 12 bits that all pixels fit into where they do; palette, grey, one-bit and CMYK become RGB; the EXIF rotation
    is applied; of several frames the first counts.

    Args:
        content: a JPEG, PNG, BMP, GIF, TIFF, WebP or PNM file.
        where: its path or name, for the message.
        min_side: images with a shorter side (pixels) are refused.
        max_pixels: images with more pixels are refused from the header, before decoding.

    Returns:
        uint8 (H, W, 3), RGB, writable, contiguous.

    Raises:
        ImageError: empty, truncated, not an image, too small, too large, or pixels without a known range.
    """
    reason = content_problem(content)
    if reason is None:
        # Pillow warns about odd metadata and large images: neither is the user's business, the outcome is.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                    reason = _size_problem(image.size, min_side, max_pixels)
                    if reason is None:
                        _load(image)
                        return _to_rgb(_upright(_all_bits(image, content)))
            except Image.DecompressionBombError:
                reason = f"more than {max_pixels:,} pixels; scale the image down first"
            except _UnknownRangeError as error:
                reason = str(error)
            except Exception as error:  # decoders of damaged files raise whatever they like
                reason = f"cannot be decoded ({_first_line(error)})"
    raise ImageError(f"{where}: {reason}.")


def content_problem(head: bytes) -> str | None:
    """Why a file that begins with these `SIGNATURE_BYTES` cannot be an image; None when it may be one."""
    if not head:
        return "is empty (0 bytes)"
    if not head.startswith(_SIGNATURES):
        return "is not an image (JPEG, PNG, BMP, GIF, TIFF, WebP or PNM)"
    return None


class _UnknownRangeError(Exception):
    pass


def _load(image: Image.Image) -> None:
    if any(tile[0] == "libtiff" for tile in getattr(image, "tile", ())):
        with quiet_native_code(ANYTHING):  # libtiff prints every fault of a file besides reporting it
            image.load()
    else:
        image.load()


def _size_problem(size: tuple[int, int], min_side: int, max_pixels: int) -> str | None:
    width, height = size
    if min(width, height) < min_side:
        return f"is {width}x{height} pixels, too small for a face: at least {min_side} a side wanted"
    if width * height > max_pixels:
        return f"is {width}x{height} pixels, more than {max_pixels:,}; scale the image down first"
    return None


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF rotation; a damaged EXIF block costs the rotation, not the face."""
    if not image.info.get("exif") and image.format != "TIFF":
        return image
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # as above; a fault in the pixels is raised again by the next access
        return image


def _all_bits(image: Image.Image, content: bytes) -> Image.Image:
    """The image; colours of 16 bits, of which Pillow keeps the upper 8 alone, are decoded anew and scaled."""
    bits = (
        content[24]
        if image.format == "PNG"
        else max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,)))
    )
    if bits != 16 or image.mode not in ("RGB", "RGBA", "LA"):
        return image
    import cv2

    deep = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None or deep.dtype != np.uint16 or deep.ndim != 3:
        raise _UnknownRangeError("has colours of 16 bits that cannot be read; convert it to 8 bits first")
    planes = [_eight_bits(part) for part in (deep[:, :, 2::-1], deep[:, :, 3:]) if part.size]
    made = Image.fromarray(np.concatenate(planes, axis=2))
    made.getexif().update({_ORIENTATION: image.getexif().get(_ORIENTATION, 1)})
    made.format, made.info["exif"] = image.format, made.getexif().tobytes()
    return made


def _to_rgb(image: Image.Image) -> UInt8Array:
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        grey = _sixteen_bits(image)
        return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, rgba)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def _sixteen_bits(image: Image.Image) -> UInt8Array:
    values: NDArray[Any] = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise _UnknownRangeError(
            "has pixels of 32 bits or more, whose range is not known; convert it to 8 or 16 bits first"
        )
    return _eight_bits(values)


def _eight_bits(values: NDArray[Any]) -> UInt8Array:
    # Cameras put 10 or 12 bits into 16: taken for 16, the face would be all but black.
    largest = next(most for most in (255, 1023, 4095, 65535) if values.max() <= most)
    eight: UInt8Array = np.round(values * (255 / largest)).astype(np.uint8)
    return eight


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
