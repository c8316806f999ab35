"""Makes small jpgs, and pngs of the levels that Pillow (libjpeg-turbo) reads from them.

Run as `python make.py` in this folder; the files here were made with Pillow 13.0.0 and libjpeg-turbo 3.
"""

import numpy as np
from PIL import Image


def picture(height, width, seed):
    """Edges, slopes and noise, [height, width, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    slopes = np.stack([5 * x + 2 * y, 255 - 4 * y, 3 * (x ^ y)], axis=-1)
    return ((slopes + rng.integers(0, 60, slopes.shape)) % 256).astype(np.uint8)


CASES = {
    "halved": ((47, 33), {"subsampling": 2, "quality": 90}),
    "halved-restarts": ((40, 50), {"subsampling": 2, "quality": 75, "restart_marker_blocks": 2}),
    "narrowed": ((21, 70), {"subsampling": 1, "quality": 95, "optimize": True}),
    "whole": ((19, 90), {"subsampling": 0, "quality": 100}),
    "coarse": ((64, 48), {"subsampling": 2, "quality": 5}),
    "progressive": ((45, 39), {"subsampling": 2, "quality": 85, "progressive": True}),
}

for seed, (name, (size, options)) in enumerate(CASES.items()):
    Image.fromarray(picture(*size, seed)).save(f"{name}.jpg", **options)
    Image.open(f"{name}.jpg").save(f"{name}.png")
Image.fromarray(picture(30, 41, 9)).convert("L").save("gray.jpg", quality=80)
Image.open("gray.jpg").convert("RGB").save("gray.png")
inks = np.concatenate([picture(26, 37, 10), picture(26, 37, 11)[..., :1]], axis=-1)
Image.frombytes("CMYK", (37, 26), inks.tobytes()).save("inks.jpg", quality=90)
Image.open("inks.jpg").convert("RGB").save("inks.png")
