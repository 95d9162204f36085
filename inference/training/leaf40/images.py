"""From image bytes to the pixels the network sees.

`prepare` is the definition that the Rust crate `phytomer-models` repeats step by
step; a test there compares the two from file bytes to logits. (Only the crate
reduces large photos in two steps; no training image is large.)
"""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageOps

PAPER = 255
"""Grey level behind transparent pixels and beside images that are not square."""
MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)


@lru_cache(maxsize=256)
def triangle_weights(source: int, target: int) -> np.ndarray:
    """Rows of an antialiasing triangle filter, `[target, source]`.

    The same sums as `image::imageops::resize` with `FilterType::Triangle`.
    """
    ratio = np.float32(source) / np.float32(target)
    support = max(ratio, np.float32(1))
    rows = np.zeros((target, source), np.float32)
    for t in range(target):
        centre = (np.float32(t) + np.float32(0.5)) * ratio
        left = int(np.clip(np.floor(centre - support), 0, source - 1))
        right = int(np.clip(np.ceil(centre + support), left + 1, source))
        at = np.arange(left, right, dtype=np.float32)
        row = np.maximum(0, 1 - np.abs((at - (centre - np.float32(0.5))) / support))
        rows[t, left:right] = row / row.sum()
    return rows


def resize(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resizes `[h, w, c]` bytes: vertical pass, horizontal pass, one rounding."""
    if pixels.shape[:2] == (height, width):
        return pixels
    rows = pixels.astype(np.float32).reshape(pixels.shape[0], -1)
    tall = (triangle_weights(pixels.shape[0], height) @ rows).reshape(height, *pixels.shape[1:])
    wide = triangle_weights(pixels.shape[1], width) @ tall
    return np.floor(np.clip(wide, 0, 255) + 0.5).astype(np.uint8)


def decode(path) -> np.ndarray:
    """`[h, w, 4]` bytes, upright as EXIF says."""
    with Image.open(path) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGBA"))


def on_paper(rgba: np.ndarray) -> np.ndarray:
    """Composites over paper in integers: `(c·a + paper·(255−a) + 127) / 255`."""
    alpha = rgba[..., 3:].astype(np.uint32)
    mixed = rgba[..., :3].astype(np.uint32) * alpha + PAPER * (255 - alpha) + 127
    return (mixed // 255).astype(np.uint8)


def letterbox(rgb: np.ndarray, side: int) -> np.ndarray:
    """Fits the image into a square of paper, its proportions kept."""
    height, width = rgb.shape[:2]
    longest = max(height, width)
    w = max(1, (2 * width * side + longest) // (2 * longest))
    h = max(1, (2 * height * side + longest) // (2 * longest))
    square = np.full((side, side, 3), PAPER, np.uint8)
    top, left = (side - h) // 2, (side - w) // 2
    square[top : top + h, left : left + w] = resize(rgb, w, h)
    return square


def prepare(path, side: int) -> np.ndarray:
    """File to `[side, side, 3]` bytes; the network then gets `(p/255 − mean)/std`."""
    return letterbox(on_paper(decode(path)), side)


def padded_square(rgba: np.ndarray) -> np.ndarray:
    """Centres an RGBA image on a transparent square (training only)."""
    height, width = rgba.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 4), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = rgba
    return square


def without_bars(rgba: np.ndarray) -> np.ndarray:
    """Makes the white bars that square up the source photos transparent, so that
    augmentation can put other paper there."""
    out = rgba.copy()
    white = (rgba[..., :3] >= 250).all(-1)
    for lines, clear in ((white.all(1), lambda k: out.__setitem__((k, slice(None), 3), 0)),
                         (white.all(0), lambda k: out.__setitem__((slice(None), k, 3), 0))):
        for order in (range(len(lines)), range(len(lines) - 1, -1, -1)):
            for k in order:
                if not lines[k]:
                    break
                clear(k)
    return out
