"""The training step of EquiAV written plainly in eager PyTorch, and how fast it goes.

Reads what `equiav bench RECIPE --steps N --dump FOLDER` wrote (start weights, one batch, learning
rates) and makes the same N steps with PyTorch's defaults, as the published code goes about it: plain
and augmented views pass the encoder one after the other, attention is softmax(q k^T) v, the predictor
is called once with the augmented view's vector and once with the centroid's S vectors. Of the recipe
it knows the paper's variant only. Prints one JSON object. Needs torch and nothing else.
"""

import argparse
import json
import os
import pathlib
import statistics
import struct
import time

import torch
import torch.nn.functional as F
from torch import nn

SUFFIXES = {"audio": "a", "visual": "v"}


def load_file(path):
    """The tensors of a safetensors file, all of which are F32."""
    data = bytearray(path.read_bytes())
    start = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
            first, last = entry["data_offsets"]
            flat = torch.frombuffer(data, dtype=torch.float32, offset=start + first, count=(last - first) // 4)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


class Attention(nn.Module):
    """Of tokens to themselves."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, n, width = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, width))


class CrossAttention(nn.Module):
    """Of encoded vectors to tokens."""

    def __init__(self, hidden, width, heads, head_width):
        super().__init__()
        inner = heads * head_width
        self.heads, self.scale = heads, head_width**-0.5
        self.to_q = nn.Linear(hidden, inner)
        self.to_k = nn.Linear(width, inner)
        self.to_v = nn.Linear(width, inner)
        self.to_out = nn.Linear(inner, width, bias=False)

    def split(self, x):
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, queries, tokens):
        q, k, v = self.split(self.to_q(queries)), self.split(self.to_k(tokens)), self.split(self.to_v(tokens))
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(dim=-1)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width, ratio):
        super().__init__()
        self.fc1 = nn.Linear(width, ratio * width)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(ratio * width, width)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, ratio)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class CrossBlock(nn.Module):
    """The transformation predictor behind its vector encoder."""

    def __init__(self, width, hidden, heads, head_width, ratio):
        super().__init__()
        self.norm_aug = nn.LayerNorm(hidden)
        self.attn = CrossAttention(hidden, width, heads, head_width)
        self.norm = nn.LayerNorm(width)
        self.mlp = Mlp(width, ratio)

    def forward(self, queries, tokens):
        mean = tokens.mean(dim=1, keepdim=True).repeat(1, queries.shape[1], 1)
        x = mean + self.attn(self.norm_aug(queries), tokens)
        return (x + self.mlp(self.norm(x))).mean(dim=1)


class PatchEmbed(nn.Module):
    def __init__(self, width, patch):
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch, stride=patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Head(nn.Module):
    def __init__(self, width, hidden, out):
        super().__init__()
        self.fc1, self.norm1 = nn.Linear(width, hidden), nn.LayerNorm(hidden)
        self.fc2, self.norm2 = nn.Linear(hidden, hidden), nn.LayerNorm(hidden)
        self.fc3, self.norm3 = nn.Linear(hidden, out), nn.LayerNorm(out)

    def forward(self, x):
        x = F.relu(self.norm1(self.fc1(x)))
        x = F.relu(self.norm2(self.fc2(x)))
        return self.norm3(self.fc3(x))


class EquiAV(nn.Module):
    """Both modalities, under the published parameter names."""

    def __init__(self, recipe, weights):
        super().__init__()
        model = recipe["model"]
        encoder, predictor = model["encoder"], model["predictor"]
        width, ratio, hidden = encoder["width"], encoder["mlp"]["ratio"], predictor["hidden"]
        for suffix in SUFFIXES.values():
            vector = weights[f"aug_encoder_{suffix}.0.weight"].shape[1]
            tokens = weights[f"pos_embed_{suffix}"].shape
            blocks = [Block(width, encoder["heads"], ratio) for _ in range(encoder["depth"])]
            parts = {
                "patch_embed": PatchEmbed(width, encoder["patch"]),
                "blocks": nn.ModuleList(blocks),
                "norm": nn.LayerNorm(width),
                "aug_encoder": nn.Sequential(
                    nn.Linear(vector, hidden), QuickGELU(), nn.Linear(hidden, hidden), QuickGELU(),
                    nn.Linear(hidden, hidden)
                ),
                "cross_attn": CrossBlock(
                    width, hidden, predictor["heads"], predictor["head_width"], predictor["mlp"]["ratio"]
                ),
            }
            for name, part in parts.items():
                setattr(self, f"{name}_{suffix}", part)
            setattr(self, f"norm_{suffix}_aug", nn.LayerNorm(width))
            for kind in ("intra", "inter"):
                setattr(self, f"pred_{suffix}_{kind}", Head(width, **model[f"{kind}_head"]))
            setattr(self, f"modality_{suffix}", nn.Parameter(torch.zeros(1, 1, width)))
            setattr(self, f"pos_embed_{suffix}", nn.Parameter(torch.zeros(tokens), requires_grad=False))

    def of(self, name, suffix):
        return getattr(self, f"{name}_{suffix}")

    def encode(self, x, suffix, augmented):
        if x.shape[1] == 1:
            x = x.repeat(1, 3, 1, 1)
        x = self.of("patch_embed", suffix)(x)
        x = x + self.of("pos_embed", suffix) + self.of("modality", suffix)
        for block in self.of("blocks", suffix):
            x = block(x)
        return self.of("norm", f"{suffix}_aug" if augmented else suffix)(x)

    def predict(self, tokens, vectors, suffix):
        return self.of("cross_attn", suffix)(self.of("aug_encoder", suffix)(vectors), tokens)

    def forward(self, batch, modality):
        """Prediction and augmented view for the intra-modal loss, and the inter-modal embedding."""
        suffix = SUFFIXES[modality]
        plain, augmented, vectors, centroid = (
            batch[f"{modality}.{name}"] for name in ("plain", "augmented", "vectors", "centroid")
        )
        tokens = self.encode(plain, suffix, augmented=False)
        moved = self.encode(augmented, suffix, augmented=True).mean(dim=1)
        predicted = self.predict(tokens, vectors.unsqueeze(1), suffix)
        center = self.predict(tokens, centroid, suffix)
        intra, inter = self.of("pred", f"{suffix}_intra"), self.of("pred", f"{suffix}_inter")
        return intra(predicted), intra(moved), inter(center)


def nt_xent(a, b, temperature):
    """Each embedding against the other branch's and its own branch's others."""
    z = F.normalize(torch.cat([a, b]).float(), dim=-1)
    scores = z @ z.T / temperature
    scores.fill_diagonal_(float("-inf"))
    n = len(a)
    return F.cross_entropy(scores, torch.arange(2 * n, device=a.device).roll(n))


def info_nce(a, b, temperature):
    """Each clip's sound against all pictures, and the other way round."""
    a, b = F.normalize(a.float(), dim=-1), F.normalize(b.float(), dim=-1)
    scores, target = a @ b.T / temperature, torch.arange(len(a), device=a.device)
    return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2


def losses(model, batch, recipe):
    objective, precision = recipe["objective"], recipe["compute"]["precision"]
    device = next(model.parameters()).device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
        embeddings = {modality: model(batch, modality) for modality in SUFFIXES}
    temperature, terms = objective["temperature"], {}
    for modality, (predicted, moved, _) in embeddings.items():
        terms[f"intra_{modality}"] = nt_xent(predicted, moved, temperature)
    terms["inter"] = info_nce(embeddings["audio"][2], embeddings["visual"][2], temperature)
    return sum(objective["weights"][name] * term for name, term in terms.items()), terms


def check(recipe):
    """Refuses what this script does not do."""
    model, objective = recipe["model"], recipe["objective"]
    known = {
        "model.predictor.kind": model["predictor"]["kind"] == "attention",
        "model.encoder.mlp.kind": model["encoder"]["mlp"]["kind"] == "gelu",
        "objective.inter": objective["inter"] == "centroid",
        "objective.intra": objective["intra"] == "equivariant",
        "objective.learn_temperature": not objective["learn_temperature"],
        "compute.precision": recipe["compute"]["precision"] in ("fp32", "bf16"),
    }
    unknown = [name for name, fine in known.items() if not fine]
    if unknown:
        raise SystemExit(f"this script does not do the recipe's {', '.join(unknown)}")


def peak_memory():
    """The most memory this process has held, in bytes; on the GPU where one is used."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return None


def profiled(step, device, path):
    """Writes where the time of three further steps goes, kernel by kernel."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(3):
            step()
    table = profile.key_averages().table(sort_by=f"self_{device.type}_time_total", row_limit=30)
    path.write_text(table + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="what `equiav bench --dump` wrote")
    parser.add_argument("--compile", action="store_true", help="compile the model with torch.compile")
    parser.add_argument("--profile", type=pathlib.Path, help="write a profile of three further steps")
    options = parser.parse_args()
    folder = options.folder
    steps = json.loads((folder / "steps.json").read_text())
    recipe, rates = steps["recipe"], steps["learning_rates"]
    check(recipe)
    torch.set_num_threads(steps["threads"])
    device = torch.device(recipe["compute"]["device"])
    weights = load_file(folder / "weights.safetensors")
    batch = {name: x.to(device) for name, x in load_file(folder / "batch.safetensors").items()}
    model = EquiAV(recipe, weights)
    model.load_state_dict(weights)
    del weights
    model.to(device)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    forward = torch.compile(model) if options.compile else model
    config = recipe["optimizer"]
    optimizer = torch.optim.AdamW(
        parameters, lr=rates[0], betas=tuple(config["betas"]), eps=config["eps"],
        weight_decay=config["weight_decay"],
    )

    def step():
        optimizer.zero_grad()
        loss, terms = losses(forward, batch, recipe)
        loss.backward()
        if config.get("clip_norm"):
            nn.utils.clip_grad_norm_(parameters, config["clip_norm"])
        optimizer.step()
        # Waits for all that a GPU was given.
        return loss.item(), {name: term.item() for name, term in terms.items()}

    seen = []
    for lr in rates:
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss, terms = step()
        seen.append({"loss": loss, "terms": terms, "seconds": time.perf_counter() - started})
    peak = peak_memory()
    if options.profile:
        profiled(step, device, options.profile)
    # The first step sets things up.
    settled = [step["seconds"] for step in seen[1:] or seen]
    print(json.dumps({
        "samples_per_second": recipe["run"]["batch"] / statistics.median(settled),
        "peak_bytes": peak,
        "steps": seen,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "versions": {"torch": torch.__version__},
    }))


if __name__ == "__main__":
    main()
