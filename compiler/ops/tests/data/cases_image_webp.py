"""ImageDecoder of lossless and of animated WebP: streams and pixels are Pillow's."""
import io
import struct

import numpy as np
from cases_image_decoder import encoded
from PIL import Image

SEED = np.random.default_rng(9649)


def picture(width, height, colors=0):
    """Smooth, flat and noisy squares, so that prefix codes change; or a few colours."""
    if colors:
        return SEED.integers(0, 256, (colors, 3)).astype(np.uint8)[SEED.integers(0, colors, (height, width))]
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([128 + 100 * np.sin(x / 7 + c) * np.cos(y / 5 - c) for c in range(3)], -1)
    noise = SEED.integers(0, 256, (height, width, 3))
    kind = ((x // 16 + y // 16) % 3)[:, :, None]
    return np.where(kind == 0, smooth, np.where(kind == 1, noise, smooth // 64 * 64)).astype(np.uint8)


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)


def three(n):
    return struct.pack("<I", n)[:3]


def animation(stream, canvas, x, y):
    """A still picture as the first frame, somewhere on a canvas."""
    width, height = Image.open(io.BytesIO(stream)).size
    frame = three(x // 2) + three(y // 2) + three(width - 1) + three(height - 1) + three(100) + b"\0" + stream[12:]
    head = b"\x02\0\0\0" + three(canvas[0] - 1) + three(canvas[1] - 1)
    body = chunk(b"VP8X", head) + chunk(b"ANIM", b"\xff\x80\x40\x20\0\0") + chunk(b"ANMF", frame)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def cases(add):
    def case(stream, form="RGB"):
        want = np.array(Image.open(io.BytesIO(stream)).convert("L" if form == "Grayscale" else "RGB"))
        want = want[:, :, None] if form == "Grayscale" else want[:, :, ::-1] if form == "BGR" else want
        attrs = {} if form == "RGB" else {"pixel_format": form}
        add("ImageDecoder", 20, [np.frombuffer(stream, np.uint8)], expect=[np.ascontiguousarray(want)], tolerance=0, fixed=True, **attrs)

    def lossless(a, **options):
        return encoded(Image.fromarray(a), "WEBP", lossless=True, **options)

    small = picture(13, 9)
    for form in ("RGB", "BGR", "Grayscale"):
        case(lossless(small), form)
    # Palettes of 1, 2, 4 and 8 bits; one colour; one pixel.
    for colors in (200, 13, 4, 2, 1):
        case(lossless(picture(19, 11, colors), method=6))
    case(lossless(small[:1, :1]))
    # Colours cached and not, of both ends of the encoder's efforts.
    for options in ({"quality": 0, "method": 0}, {"quality": 100, "method": 6}, {"quality": 60, "method": 3}):
        case(lossless(picture(17, 11), **options))
    case(lossless(picture(48, 32), quality=100, method=6))
    alpha = np.concatenate([picture(12, 10), SEED.integers(0, 256, (10, 12, 1)).astype(np.uint8)], -1)
    case(lossless(alpha, exact=True, icc_profile=b"no profile!", exif=b"Exif\0\0none"))
    case(encoded(Image.fromarray(alpha), "WEBP", quality=70, exif=b"Exif\0\0none"))
    case(animation(lossless(small), (17, 12), 2, 2))
    case(animation(encoded(Image.fromarray(small), "WEBP"), (15, 11), 0, 2), "Grayscale")
    frames = [Image.fromarray(picture(9, 8)) for _ in range(3)]
    case(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
