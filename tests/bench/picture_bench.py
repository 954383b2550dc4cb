"""Pictures decoded to 224 x 224 a second, on one core, by Pillow and by torchvision.

  picture_bench.py FOLDER    prints one JSON object; picture_bench runs it
"""

import io
import json
import pathlib
import sys
import time

import PIL
import PIL.Image
import torch
import torchvision
from torchvision import transforms
from torchvision.io import ImageReadMode, decode_jpeg

SECONDS = 3.0


def pillow_alone(data):
    image = PIL.Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    short = min(width, height)
    image = image.resize((256 * width // short, 256 * height // short), PIL.Image.BILINEAR)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    return image.crop((left, top, left + 224, top + 224)).tobytes()


PILLOW_TRANSFORM = transforms.Compose(
    [transforms.Resize(256), transforms.CenterCrop(224), transforms.PILToTensor()])


def torchvision_folder(data):
    """As torchvision.datasets.ImageFolder loads a picture."""
    return PILLOW_TRANSFORM(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


TENSOR_TRANSFORM = transforms.Compose(
    [transforms.Resize(256, antialias=True), transforms.CenterCrop(224)])


def torchvision_tensor(data):
    """As torchvision.io reads a picture."""
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return TENSOR_TRANSFORM(decode_jpeg(encoded, mode=ImageReadMode.RGB))


def per_second(decode, pictures):
    for data in pictures[:5]:
        decode(data)
    count, begin = 0, time.process_time()
    while time.process_time() - begin < SECONDS:
        decode(pictures[count % len(pictures)])
        count += 1
    return count / (time.process_time() - begin)


def main():
    torch.set_num_threads(1)
    files = sorted(pathlib.Path(sys.argv[1]).glob("*.jpg"))
    pictures = [file.read_bytes() for file in files]
    print(json.dumps({
        "pillow": per_second(pillow_alone, pictures),
        "torchvision_folder": per_second(torchvision_folder, pictures),
        "torchvision_tensor": per_second(torchvision_tensor, pictures),
        "versions": f"Pillow {PIL.__version__}, torchvision {torchvision.__version__}",
    }))


main()
