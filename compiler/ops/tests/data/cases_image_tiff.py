"""ImageDecoder of TIFF in its many forms: pixels are Pillow's; streams are Pillow's or are put together here."""
import io
import struct
import zlib

import numpy as np
from cases_image_decoder import encoded
from PIL import Image

SEED = np.random.default_rng(42)
SIZES = {1: "B", 3: "H", 4: "I", 5: "I", 16: "Q"}
REVERSED = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))


def tiff(tags, blocks, order="<", big=False):
    """`tags`: number -> (type, values); `blocks`: strips or tiles, whose places and sizes are the lists of these types."""
    place = 16 if big else 8
    offsets = [place + sum(len(b) for b in blocks[:k]) for k in range(len(blocks))]
    body = b"".join(blocks)
    kind = 16 if big else 4
    where, sizes = (324, 325) if 322 in tags else (273, 279)
    tags = dict(tags) | {where: (kind, offsets), sizes: (kind, [len(b) for b in blocks])}
    entries, word = b"", "Q" if big else "I"
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(order + SIZES[kind] * len(values), *values)
        count = len(values) // (2 if kind == 5 else 1)
        if len(data) > place // 2:
            data, body = struct.pack(order + word, place + len(body)), body + data
        entries += struct.pack(order + "HH" + word, tag, kind, count) + data.ljust(place // 2, b"\0")
    head = struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0) if big else (42,)), place + len(body))
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    return (b"II" if order == "<" else b"MM") + head + body + count + entries + b"\0" * (place // 2)


def rows(a, bits, order="<", predictor=1):
    """The bytes of [height, width, samples]."""
    if bits not in (8, 16, 32):
        lines = ["".join(f"{v:0{bits}b}" for v in row.reshape(-1).tolist()) for row in a]
        return b"".join(int(l.ljust(-(-len(l) // 8) * 8, "0"), 2).to_bytes(-(-len(l) // 8), "big") for l in lines)
    if predictor == 3:
        height, samples = a.shape[0], a.shape[2]
        apart = a.astype(">f4").reshape(height, -1).view(np.uint8).reshape(height, -1, 4).transpose(0, 2, 1).reshape(height, -1)
        apart[:, samples:] = np.diff(apart.reshape(height, -1, samples), axis=1).reshape(height, -1)
        return apart.tobytes()
    a = a.view(np.uint32) if a.dtype == np.float32 else a
    a = a.astype(np.int64)
    if predictor == 2:
        a[:, 1:] = np.diff(a, axis=1)
    return (a % (1 << bits)).astype(f"{order}u{bits // 8}").tobytes()


def image(a, bits, photometric, packing=1, order="<", tile=None, strip=None, predictor=1, planar=1, reverse=False, big=False, more=None):
    height, width, samples = a.shape
    tags = {256: (3, [width]), 257: (3, [height]), 258: (3, [bits] * samples), 259: (3, [packing]), 262: (3, [photometric])}
    tags |= {277: (3, [samples]), 317: (3, [predictor]), 284: (3, [planar]), 266: (3, [2 if reverse else 1])} | (more or {})
    if tile:
        tags |= {322: (3, [tile[0]]), 323: (3, [tile[1]])}
    else:
        tags[278] = (4, [strip or height])
    w, h = tile or (width, strip or height)
    blocks = []
    for plane in [a] if planar == 1 else np.split(a, samples, 2):
        for y in range(0, height, h):
            for x in range(0, width, w):
                part = plane[y : y + h, x : x + w]
                if tile:
                    part = np.pad(part, ((0, h - part.shape[0]), (0, w - part.shape[1]), (0, 0)))
                data = rows(part, bits, order, predictor)
                data = zlib.compress(data) if packing in (8, 32946) else data
                blocks.append(data.translate(REVERSED) if reverse else data)
    return tiff(tags, blocks, order, big)


def cases(add):
    def case(stream, form="RGB"):
        want = np.array(Image.open(io.BytesIO(stream)).convert("L" if form == "Grayscale" else "RGB"))
        want = want[:, :, None] if form == "Grayscale" else want[:, :, ::-1] if form == "BGR" else want
        attrs = {} if form == "RGB" else {"pixel_format": form}
        add("ImageDecoder", 20, [np.frombuffer(stream, np.uint8)], expect=[np.ascontiguousarray(want)], tolerance=0, fixed=True, **attrs)

    def some(width, height, samples=1, below=256):
        return SEED.integers(0, below, (height, width, samples))

    # Tiles and strips, planes, orders of bytes and bits, places of 8 bytes.
    rgb = some(18, 17, 3)
    case(image(rgb, 8, 2, tile=(16, 16)))
    case(image(rgb, 8, 2, tile=(16, 16), planar=2, packing=8, predictor=2, order=">"), "BGR")
    case(image(rgb[:7, :9], 8, 2, strip=3, planar=2))
    case(image(rgb[:5, :4], 8, 2, strip=2, packing=8, predictor=2, big=True))
    case(image(some(7, 5, 3, 65536), 16, 2, order=">"))
    case(image(some(7, 5, 3, 65536), 16, 2, packing=8, predictor=2, planar=2))
    for bits in (1, 2, 4, 8):
        case(image(some(11, 5, 1, 1 << bits), bits, 0, strip=2, reverse=bits < 8), "Grayscale")
        palette = {320: (3, SEED.integers(0, 65536, 3 << bits).tolist())}
        case(image(some(9, 4, 1, 1 << bits), bits, 3, more=palette, packing=8, reverse=bits == 4))
    # Grey of more bits, with signs, floats.
    case(image(some(7, 5, 1, 600), 12, 1))
    for order in "<>":
        case(image(some(5, 4, 1, 600), 16, 1, order=order), "Grayscale")
        case(image(some(5, 4, 1, 600) - 200, 16, 1, order=order, more={339: (3, [2])}), "Grayscale")
        case(image(some(5, 4, 1, 600) - 200, 32, 1, order=order, more={339: (3, [2])}), "Grayscale")
        floats = (SEED.standard_normal((4, 5, 1)) * 200).astype(np.float32)
        case(image(floats, 32, 1, order=order, more={339: (3, [3])}), "Grayscale")
    case(image(floats, 32, 1, packing=8, predictor=3, more={339: (3, [3])}), "Grayscale")
    case(image(floats, 32, 1, packing=8, predictor=2, tile=(16, 16), more={339: (3, [3])}), "Grayscale")
    # Alpha beside colours and in them, inks, chroma.
    for extra in (0, 1, 2):
        case(image(some(6, 4, 4), 8, 2, more={338: (3, [extra])}))
    case(image(some(6, 4, 4), 8, 2, planar=2, packing=8))
    for form in ("RGB", "Grayscale"):
        case(image(some(6, 4, 4), 8, 5), form)
        case(image(some(6, 4, 3), 8, 6), form)
    case(image(some(6, 4, 4, 65536), 16, 5, packing=8))
    group = [(1, 1), (2, 1), (2, 2), (4, 2)]
    for across, down in group:
        units = -(-9 // across), -(-5 // down)
        data = zlib.compress(SEED.integers(0, 256, units[0] * units[1] * (across * down + 2)).astype(np.uint8).tobytes())
        head = {256: (3, [9]), 257: (3, [5]), 258: (3, [8] * 3), 259: (3, [8]), 262: (3, [6]), 277: (3, [3])}
        usual = {529: (5, [299, 1000, 587, 1000, 114, 1000]), 532: (5, [0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1])}
        case(tiff(head | {530: (3, [across, down])} | usual, [data]))
    for orientation in range(2, 9):
        case(image(some(4, 3, 1), 8, 1, more={274: (3, [orientation])}), "Grayscale")
    # Facsimile.
    width = 70
    a = SEED.integers(0, 2, (9, width)) & (SEED.random((9, width)) < 0.3)
    a[1], a[2], a[3], a[6, 10:50] = a[0], 0, np.roll(a[0], 2), 1
    bits = Image.fromarray(a.astype(bool))
    for packing in ("tiff_ccitt", "group3", "group4"):
        case(encoded(bits, "TIFF", compression=packing), "Grayscale")
    case(encoded(bits, "TIFF", compression="group3", tiffinfo={292: 1, 278: 4}), "Grayscale")
    case(encoded(bits, "TIFF", compression="group4", tiffinfo={266: 2, 262: 0, 278: 5}), "Grayscale")
    # Runs of all lengths up to 63, and some longer ones.
    runs = [n for k in range(64) for n in (k + 1, 64 - k)] + [n for k in (1, 2, 4, 7, 27, 28) for n in (64 * k, 3)]
    line = np.concatenate([np.full(n, k & 1) for k, n in enumerate(runs)])
    line = line[len(line) % 3 :].reshape(3, -1)
    case(encoded(Image.fromarray(line.astype(bool)), "TIFF", compression="tiff_ccitt"), "Grayscale")
    jpegs(case)


def jpegs(case):
    """Strips with tables of all, and complete streams in tiles."""
    y, x = np.mgrid[0:21, 0:19]
    smooth = np.stack([128 + 90 * np.sin(x / 5 + c) * np.cos(y / 4 - c) for c in range(3)], -1).astype(np.uint8)
    picture = Image.fromarray(smooth)
    case(encoded(picture, "TIFF", compression="jpeg", tiffinfo={278: 16, 274: 6}))
    case(encoded(picture.convert("L"), "TIFF", compression="jpeg", tiffinfo={278: 8}), "Grayscale")
    for photometric, options in ((2, {"keep_rgb": True, "subsampling": 0}), (6, {"subsampling": 2})):
        padded = np.pad(smooth, ((0, 11), (0, 13), (0, 0)), mode="edge")
        parts = [padded[y : y + 16, x : x + 16] for y in (0, 16) for x in (0, 16)]
        blocks = [encoded(Image.fromarray(p), "JPEG", quality=80, **options) for p in parts]
        # JFIF's segment would say that it is YCbCr.
        blocks = [b[:2] + b[20:] if b[6:10] == b"JFIF" else b for b in blocks]
        tags = {256: (3, [19]), 257: (3, [21]), 258: (3, [8] * 3), 259: (3, [7]), 262: (3, [photometric]), 277: (3, [3])}
        tags |= {322: (3, [16]), 323: (3, [16]), 530: (3, [2, 2] if photometric == 6 else [1, 1])}
        case(tiff(tags, blocks))
