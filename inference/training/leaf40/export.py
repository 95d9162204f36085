"""Writes the model directory and the reference answers that the Rust tests use."""

import json
import struct
from pathlib import Path

import torch
from blake3 import blake3
from PIL import Image
from safetensors.torch import save_file

from . import data, images
from .model import STAGES, STEM, LeafNet, folded, run_folded


def config(name, version, side, leaves, heat, unknown_below) -> dict:
    return {
        "name": name,
        "version": version,
        "input": {
            "side": side,
            "paper": images.PAPER,
            "mean": list(images.MEAN),
            "std": list(images.STD),
        },
        "network": {
            "stem": list(STEM),
            "stages": [
                {"channels": c, "blocks": b, "stride": s} for c, b, s in STAGES
            ],
        },
        "output": {"temperature": heat, "unknown_below": unknown_below},
        "species": [
            {"label": label, "scientific_name": name}
            for label, name in zip(leaves.labels, leaves.scientific, strict=True)
        ],
    }


def toml(config: dict) -> str:
    """The config as TOML, commented."""
    show = json.dumps
    lines = [
        "# What this model computes, apart from its weights. The fields are documented",
        "# in the crate phytomer-models, `ModelConfig`. Written by inference/training.",
        f"name = {show(config['name'])}",
        f"version = {config['version']}",
    ]
    for table in ("input", "network", "output"):
        lines += ["", f"[{table}]"]
        for key, value in config[table].items():
            if key == "stages":
                continue
            lines.append(f"{key} = {show(value)}")
    for stage in config["network"]["stages"]:
        lines += ["", "[[network.stages]]", *(f"{k} = {v}" for k, v in stage.items())]
    for species in config["species"]:
        lines += ["", "[[species]]", *(f"{k} = {show(v)}" for k, v in species.items())]
    return "\n".join(lines) + "\n"


def model_id(config: dict, tensors: dict[str, torch.Tensor]) -> str:
    """The id as `phytomer_models::ModelId` defines it, computed independently."""

    def numbers(value):
        """JSON canonicalisation writes whole floats without a fraction."""
        if isinstance(value, dict):
            return {k: numbers(v) for k, v in value.items()}
        if isinstance(value, list):
            return [numbers(v) for v in value]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    text = json.dumps(numbers(config), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    whole = blake3(b"phytomer/model/1\n")
    whole.update(blake3(text.encode()).digest())
    whole.update(struct.pack("<I", len(tensors)))
    for name in sorted(tensors, key=str.encode):
        tensor = tensors[name].contiguous()
        one = blake3(name.encode() + b"\0")
        one.update({torch.float16: b"F16", torch.float32: b"F32"}[tensor.dtype])
        one.update(bytes([tensor.ndim]) + b"".join(struct.pack("<Q", d) for d in tensor.shape))
        one.update(tensor.numpy().tobytes())
        whole.update(one.digest())
    return "0x" + whole.hexdigest()


def write_model(out: Path, model: LeafNet, settings: dict) -> tuple[dict, str]:
    """`model.toml` and `weights.safetensors` (f16, batch norms folded in)."""
    tensors = {k: v.half().contiguous() for k, v in folded(model.eval()).items()}
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.toml").write_text(toml(settings))
    save_file(tensors, out / "weights.safetensors")
    (out / "weights.safetensors").chmod(0o644)
    return tensors, model_id(settings, tensors)


def reference_rows(leaves) -> list[tuple[int, str, str]]:
    """A dozen leaves of the last groups: row, kind and file format."""
    plans = [("photo", "jpg"), ("cutout", "webp"), ("photo", "png"), ("cutout", "png")]
    rows = leaves.select("report").tolist()
    chosen = []
    for k in range(12):
        wanted = (k * 3 + 1) % len(leaves.labels)
        row = next(r for r in rows if leaves.target[r] == wanted)
        chosen.append((row, *plans[k % len(plans)]))
    return chosen


@torch.no_grad()
def write_reference(out: Path, leaves, tensors: dict, ident: str, side: int) -> None:
    """The images, their prepared pixels and PyTorch's logits in f32."""
    out.mkdir(parents=True, exist_ok=True)
    names, pixels = [], []
    for row, kind, ending in reference_rows(leaves):
        source = leaves.root / leaves.paths[kind][row]
        name = f"{leaves.labels[leaves.target[row]]}-{kind}.{ending}"
        if ending == "png":
            Image.open(source).save(out / name, optimize=True)
        else:
            (out / name).write_bytes(source.read_bytes())
        names.append(name)
        pixels.append(torch.from_numpy(images.prepare(out / name, side)))
    pixels = torch.stack(pixels)
    logits = run_folded(tensors, data.normalise(pixels.permute(0, 3, 1, 2)))
    save_file({"pixels": pixels, "logits": logits}, out / "reference.safetensors")
    (out / "reference.json").write_text(
        json.dumps({"model": ident, "files": names}, indent=1) + "\n"
    )


def write_odd_images(out: Path) -> None:
    """Images that only Pillow can make: CMYK, an animation, and EXIF's turns."""
    out.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (64, 48), (250, 250, 245))
    picture.paste((30, 120, 40), (8, 8, 40, 24))
    picture.paste((200, 60, 20), (40, 30, 60, 44))
    picture.convert("CMYK").save(out / "cmyk.jpg", quality=95)
    frames = [picture.rotate(turn) for turn in (0, 90, 180)]
    frames[0].save(out / "animated.webp", save_all=True, append_images=frames[1:], duration=80)
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, transpose in undo.items():
        turned = picture if transpose is None else picture.transpose(transpose)
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned.save(out / f"orientation-{orientation}.jpg", quality=95, subsampling=0, exif=exif)
