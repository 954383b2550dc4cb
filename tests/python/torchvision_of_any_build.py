"""torchvision beside a torch of another build.

Its wheel for CUDA does not load its operators on a torch for the CPU, and does not start without
their names. Models and data sets need none of them.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
    "int pooled_width, int sampling_ratio, bool aligned) -> Tensor",
)


def load() -> Any:
    """Skips the test where there is none."""
    torch = pytest.importorskip("torch")
    try:
        import torchvision
    except ImportError:
        pytest.skip("there is no torchvision")
    except RuntimeError:
        for name in [n for n in sys.modules if n.startswith("torchvision")]:
            del sys.modules[name]
        for schema in _SCHEMAS:
            torch.library.define(
                f"torchvision::{schema.split('(')[0]}", "(" + schema.split("(", 1)[1]
            )
        import torchvision
    import torchvision.datasets
    import torchvision.models

    return torchvision
