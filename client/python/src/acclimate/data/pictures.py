"""Pictures of PIL as arrays [channels, height, width] of uint8."""

from __future__ import annotations

from typing import Any, Union

import numpy as np

from acclimate.data.context import is_of
from acclimate.errors import DataError

ImageSize = Union[int, tuple[int, int], None]


def is_picture(value: Any) -> bool:
    return is_of(value, "PIL", "Image")


def picture_to_array(picture: Any, image_size: ImageSize) -> np.ndarray[Any, Any]:
    """Grey pictures have one channel, all others three. With an image_size the shorter side is
    resized to it and the centre is cut out."""
    if picture.mode not in ("L", "RGB"):
        picture = picture.convert("L" if picture.mode in ("1", "I;16", "I", "F", "LA") else "RGB")
    if image_size is not None:
        picture = _resized(picture, image_size)
    array = np.asarray(picture, np.uint8)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _resized(picture: Any, image_size: int | tuple[int, int]) -> Any:
    shorter, crop = (image_size, image_size) if isinstance(image_size, int) else image_size
    if crop > shorter or crop < 1:
        raise DataError(f"image_size: the crop {crop} must be 1 to the shorter side {shorter}")
    from PIL import Image

    width, height = picture.size
    scale = shorter / min(width, height)
    if scale != 1:
        size = (max(shorter, round(width * scale)), max(shorter, round(height * scale)))
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    left, top = (picture.width - crop) // 2, (picture.height - crop) // 2
    return picture.crop((left, top, left + crop, top + crop))
