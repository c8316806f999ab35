"""The work of one training sample with torchaudio, torchvision and Pillow, and how fast it goes.

What `equiav data bench` measures of ours, as a user of those libraries would write it: sound and
frame are read once each; the filterbank is computed once; the augmented views come from the same
decoded material; what can be drawn for all 17 vectors at a time is drawn so. Per sample come out

    audio   plain and augmented [1, 128, 1024], vector [24], centroid vectors [16, 24]
    visual  plain and augmented [3, 224, 224],  vector [18], centroid vectors [16, 18]

with the probabilities and ranges of the recipe `audioset2m` in its corrected profile. A `DataLoader`
puts samples side by side. Prints one JSON object.
"""

import argparse
import json
import pathlib
import time
import wave

import numpy as np
import PIL
import torch
import torchaudio
import torchvision
import torchvision.transforms.functional as F
from PIL import Image, ImageFilter
from torch.utils.data import DataLoader, Dataset

FRAMES, MELS, SIDE = 1024, 128, 224
MEAN, STD = -4.346, 4.332
FLOOR = float(np.log(np.finfo(np.float32).eps))
IMAGE_MEAN, IMAGE_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CENTROID = 16
ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def crops(count, height, width, aspect, rng):
    """`count` crops as torchvision draws them, all at once: top, left, height, width, [count, 4]."""
    area = height * width * rng.uniform(0.08, 1.0, (count, 10))
    ratio = np.exp(rng.uniform(*np.log(aspect), (count, 10)))
    w, h = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
    fits = (w >= 1) & (w <= width) & (h >= 1) & (h <= height)
    first, rows = fits.argmax(1), np.arange(count)
    found = fits[rows, first]
    # Where no try fits: the whole, whose aspect is allowed for both views here.
    h, w = np.where(found, h[rows, first], height), np.where(found, w[rows, first], width)
    top = np.floor(rng.random(count) * (height - h + 1))
    left = np.floor(rng.random(count) * (width - w + 1))
    return np.stack([top, left, h, w], axis=1)


def audio_vectors(count, rng):
    """Parameter vectors of `count` draws, [count, 24]."""
    out = np.zeros((count, 24), dtype=np.float32)
    on = rng.random(count) < 0.8
    for column, length, widest in ((1, FRAMES, 0.1875), (3, MELS, 0.375)):
        width = rng.random(count) * widest * length
        start = np.floor(rng.random(count) * (length - width))
        out[:, column] = on * start / length
        out[:, column + 1] = on * (start + np.floor(width)) / length
    out[:, 0] = out[:, 5] = on
    out[:, 6] = on * rng.integers(-FRAMES, FRAMES, count) / FRAMES
    shape = np.array([FRAMES, MELS, FRAMES, MELS])
    out[:, 7] = 1
    out[:, 8:12] = crops(count, FRAMES, MELS, (0.1, 0.1875), rng) / shape
    jitter = rng.random(count) < 0.8
    out[:, 12] = jitter
    out[:, 13:17] = np.arange(4) / 3
    out[:, 17:19] = jitter[:, None] * rng.uniform(-0.4, 0.4, (count, 2))
    blur = rng.random(count) < 0.5
    out[:, 21] = blur
    out[:, 22] = blur * rng.uniform(0.1, 2.0, count)
    out[:, 23] = rng.random(count) < 0.5
    return out


def visual_vectors(count, rng):
    """Parameter vectors of `count` draws, [count, 18]."""
    out = np.zeros((count, 18), dtype=np.float32)
    out[:, 0] = 1
    out[:, 1:5] = crops(count, SIDE, SIDE, (0.75, 4 / 3), rng) / SIDE
    jitter = rng.random(count) < 0.8
    out[:, 5] = jitter
    order = np.tile(np.arange(4), (count, 1))
    out[:, 6:10] = np.where(jitter[:, None], rng.permuted(order, axis=1), order) / 3
    out[:, 10:13] = jitter[:, None] * rng.uniform(-0.4, 0.4, (count, 3))
    out[:, 13] = jitter * rng.uniform(-0.1, 0.1, count)
    blur = rng.random(count) < 0.5
    out[:, 14] = blur
    out[:, 15] = blur * rng.uniform(0.1, 2.0, count)
    out[:, 16] = rng.random(count) < 0.5
    out[:, 17] = rng.random(count) < 0.2
    return out


def read_wav(path):
    """The samples of a 16-bit file, [1, n], and their rate."""
    with wave.open(str(path), "rb") as file:
        data = bytearray(file.readframes(file.getnframes()))
        rate = file.getframerate()
    return torch.frombuffer(data, dtype=torch.int16).float().div_(32_768).unsqueeze(0), rate


def filterbank(waveform, rate):
    """The log-mel filterbank, [frames, MELS]."""
    return torchaudio.compliance.kaldi.fbank(
        waveform,
        htk_compat=True,
        sample_frequency=rate,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=MELS,
        dither=0.0,
        frame_shift=10,
    )


def plain_sound(path):
    """The standardized spectrogram, [FRAMES, MELS]."""
    waveform, rate = read_wav(path)
    values = filterbank(waveform - waveform.mean(), rate)[:FRAMES]
    padded = torch.nn.functional.pad(values, (0, 0, 0, FRAMES - len(values)), value=FLOOR)
    return padded.sub_(MEAN).div_(STD)


def augmented_sound(plain, vector):
    """The view of `plain` that `vector` describes, [FRAMES, MELS]."""
    view = plain
    if vector[0]:
        start, end = round(vector[1] * FRAMES), round(vector[2] * FRAMES)
        low, high = round(vector[3] * MELS), round(vector[4] * MELS)
        view = plain.clone()
        view[start:end] = 0
        view[:, low:high] = 0
        view = view.roll(round(vector[6] * FRAMES), 0)
    top, left = round(vector[8] * FRAMES), round(vector[9] * MELS)
    height, width = round(vector[10] * FRAMES), round(vector[11] * MELS)
    view = F.resized_crop(view[None], top, left, height, width, [FRAMES, MELS], antialias=True)
    if vector[12]:
        mean, contrast = view.mean(), 1 + vector[18]
        view.mul_(contrast).add_(mean * (1 - contrast) + vector[17])
    if vector[21]:
        sigma = float(vector[22])
        view = F.gaussian_blur(view, 2 * int(np.ceil(sigma)) + 1, sigma)
    if vector[23]:
        view = view.flip(1)
    return view[0]


def placement(picture):
    """The square of `picture` that the plain view shows: left, top, side."""
    width, height = picture.size
    side = min(width, height)
    return (width - side) / 2, (height - side) / 2, side


def augmented_picture(picture, vector):
    """The view of `picture` that `vector` describes, SIDE x SIDE."""
    left, top, side = placement(picture)
    down, right, height, width = (float(part) * side for part in vector[1:5])
    box = (left + right, top + down, left + right + width, top + down + height)
    view = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)
    if vector[5]:
        factors = (1 + vector[10], 1 + vector[11], 1 + vector[12], vector[13])
        for operation in (round(3 * place) for place in vector[6:10]):
            view = ADJUST[operation](view, float(factors[operation]))
    if vector[14]:
        view = view.filter(ImageFilter.GaussianBlur(float(vector[15])))
    if vector[16]:
        view = F.hflip(view)
    if vector[17]:
        view = F.to_grayscale(view, 3)
    return view


def visual_tensor(picture):
    """The standardized levels, [3, SIDE, SIDE]."""
    return F.normalize(F.to_tensor(picture), IMAGE_MEAN, IMAGE_STD, inplace=True)


class Samples(Dataset):
    """The training samples of a list of clips."""

    def __init__(self, manifest):
        self.folder = manifest.parent
        self.clips = json.loads(manifest.read_text())["data"]

    def __len__(self):
        return len(self.clips)

    def audio(self, clip, rng):
        vectors = audio_vectors(1 + CENTROID, rng)
        plain = plain_sound(self.folder / clip["wav"])
        augmented = augmented_sound(plain, vectors[0])
        views = [view.t().contiguous().unsqueeze(0) for view in (plain, augmented)]
        return (*views, torch.from_numpy(vectors[0]), torch.from_numpy(vectors[1:]))

    def visual(self, clip, rng):
        vectors = visual_vectors(1 + CENTROID, rng)
        with Image.open(self.folder / clip["image"]) as file:
            picture = file.convert("RGB")
        plain = F.center_crop(F.resize(picture, SIDE, F.InterpolationMode.BICUBIC), SIDE)
        views = [visual_tensor(view) for view in (plain, augmented_picture(picture, vectors[0]))]
        return (*views, torch.from_numpy(vectors[0]), torch.from_numpy(vectors[1:]))

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        clip = self.clips[index]
        return {"audio": self.audio(clip, rng), "visual": self.visual(clip, rng)}


def rate_of(work, seconds):
    """How many things a second `work`, which yields after each few with their number, gets done."""
    done, started = 0, time.perf_counter()
    for count in work:
        done += count
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            break
    return done / elapsed


def samples(dataset, workers, batch):
    """Batches without end, by their size."""
    loader = DataLoader(
        dataset,
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    while True:
        for loaded in loader:
            yield len(loaded["audio"][0])


def filterbanks(dataset):
    """Filterbanks of one sound without end."""
    waveform, rate = read_wav(dataset.folder / dataset.clips[0]["wav"])
    while True:
        filterbank(waveform, rate)
        yield 1


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, default=0, help="processes beside this one; 0: none")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = Samples(options.manifest)
    work = samples(dataset, options.workers, options.batch)
    next(work)
    bank = filterbanks(dataset)
    next(bank)
    packages = {"torch": torch, "torchaudio": torchaudio, "torchvision": torchvision, "pillow": PIL}
    figures = {
        "samples_per_second": rate_of(work, options.seconds),
        "filterbanks_per_second": rate_of(bank, options.seconds / 5),
        "versions": {name: module.__version__ for name, module in packages.items()},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
