"""Makes the clips that both sides of the comparison read: 10 s of sound and a frame of 640 x 360 each.

Sounds are modulated harmonics over pink noise; pictures have the spectrum of photographs (amplitude
falling a little faster than 1 / frequency) with correlated channels, so that a JPEG of them is about as long, and as
slow to decode, as one of a video's frame. Everything comes from a seed.
"""

import argparse
import json
import os
import pathlib
import wave

import numpy as np
from PIL import Image

RATE = 16_000
SECONDS = 10
HEIGHT, WIDTH = 360, 640
QUALITY = 90


def noise(shape, fall, rng):
    """Noise whose amplitude falls as 1 / frequency ** fall, with mean 0 and deviation 1."""
    spectrum = np.fft.rfftn(rng.standard_normal(shape))
    axes = [np.fft.fftfreq(length) * length for length in shape[:-1]]
    axes.append(np.fft.rfftfreq(shape[-1]) * shape[-1])
    squares = sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij"))
    shaped = spectrum / np.maximum(squares, 1.0) ** (fall / 2)
    values = np.fft.irfftn(shaped, shape, range(len(shape)))
    return (values - values.mean()) / values.std()


def sound(rng):
    """16-bit samples, [SECONDS * RATE]."""
    time = np.arange(SECONDS * RATE) / RATE
    base = rng.uniform(90, 400)
    tones = sum(np.sin(2 * np.pi * base * k * time + rng.uniform(0, 6)) / k for k in range(1, 12))
    beat = 0.5 + 0.5 * np.cos(2 * np.pi * rng.uniform(0.5, 4) * time)
    mixed = 0.12 * tones * beat + 0.05 * noise(time.shape, 1.0, rng)
    return (np.clip(mixed, -1, 1) * 32_767).astype("<i2")


def picture(rng):
    """Levels, [HEIGHT, WIDTH, 3]."""
    shared, *own = (noise((HEIGHT, WIDTH), 1.2, rng) for _ in range(4))
    levels = [rng.uniform(90, 160) + 45 * shared + 15 * channel for channel in own]
    return np.clip(np.stack(levels, axis=-1), 0, 255).astype(np.uint8)


def write_clip(folder, number):
    """Writes clip `number` and returns its entry of the list."""
    rng = np.random.default_rng(number)
    name = f"clip-{number:03d}"
    with wave.open(str(folder / f"{name}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound(rng).tobytes())
    Image.fromarray(picture(rng)).save(folder / f"{name}.jpg", quality=QUALITY)
    return {"video_id": name, "wav": f"{name}.wav", "image": f"{name}.jpg", "labels": ""}


def main():
    """Fills a folder and writes its list last, so that a list means a whole folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--clips", type=int, default=64)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    entries = [write_clip(options.folder, number) for number in range(options.clips)]
    partial = options.folder / "clips.json.part"
    partial.write_text(json.dumps({"data": entries}, indent=1) + "\n")
    os.replace(partial, options.folder / "clips.json")


if __name__ == "__main__":
    main()
