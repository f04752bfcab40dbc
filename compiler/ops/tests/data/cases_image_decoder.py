"""ImageDecoder: streams and pixels are Pillow's (`pip install pillow`)."""
import io
import struct
import zlib

import numpy as np
from PIL import Image

SEED = np.random.default_rng(20)


def picture(width, height, channels=3):
    """Smooth, with an edge and some noise."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [120 + 100 * np.sin(x / 3 + c) * np.cos(y / 4 - c) + 40 * (x > width // 2) for c in range(channels)]
    noise = SEED.integers(-9, 10, (height, width, channels))
    return np.clip(np.stack(planes, -1) + noise, 0, 255).astype(np.uint8)


def encoded(image, kind, **options):
    with io.BytesIO() as f:
        image.save(f, format=kind, **options)
        return f.getvalue()


def adam7(a, depth_bits=8, color=2):
    """An interlaced PNG of bytes, which Pillow can't write."""
    raw = b""
    for x, y, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = a[y::dy, x::dx]
        if part.size:
            raw += b"".join(b"\0" + row.tobytes() for row in part)
    chunk = lambda k, d: struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
    head = struct.pack(">IIBBBBB", a.shape[1], a.shape[0], depth_bits, color, 0, 0, 1)
    data = zlib.compress(raw)
    # Two chunks, cut anywhere.
    parts = chunk(b"IDAT", data[:7]) + chunk(b"IDAT", data[7:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + parts + chunk(b"IEND", b"")


def bmp(bits, masks, rows, width):
    """A BMP of 16 or 32 bits, from the top down."""
    data = rows.tobytes()
    head = struct.pack("<IiiHHIIiiII", 40, width, -len(rows), 1, bits, 3 if masks else 0, len(data), 0, 0, 0, 0)
    head += struct.pack("<III", *masks) if masks else b""
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(data), 0, 0, 14 + len(head)) + head + data


def cases(add):
    def case(stream, form="RGB", expect=None):
        image = Image.open(io.BytesIO(stream))
        want = np.array(image.convert("L" if form == "Grayscale" else "RGB")) if expect is None else expect
        want = want[:, :, None] if form == "Grayscale" else want[:, :, ::-1] if form == "BGR" else want
        attrs = {} if form == "RGB" else {"pixel_format": form}
        data = np.frombuffer(stream, np.uint8)
        add("ImageDecoder", 20, [data], expect=[np.ascontiguousarray(want)], tolerance=0, fixed=True, **attrs)

    rgb = Image.fromarray(picture(11, 7))
    gray, indexed, rgba = rgb.convert("L"), rgb.quantize(13), rgb.convert("RGBA")
    bits = Image.fromarray(picture(11, 7, 1)[:, :, 0] > 120)
    for form in ("RGB", "BGR", "Grayscale"):
        case(encoded(rgb, "BMP"), form)
        case(encoded(rgb, "PNG"), form)
    for image in (gray, indexed, rgba, bits):
        case(encoded(image, "BMP"))
        case(encoded(image, "PNG"))
    case(encoded(rgb.quantize(4), "PNG", bits=2))
    case(encoded(gray.convert("LA"), "PNG"), "Grayscale")
    # Blocks as they are, and of the fixed codes.
    case(encoded(rgb, "PNG", compress_level=0))
    case(encoded(Image.new("RGB", (5, 3), (1, 2, 3)), "PNG", compress_level=1))
    # Long copies, and filters of every kind.
    case(encoded(Image.fromarray(np.repeat(picture(20, 3), 6, 0)), "PNG"))
    wide = picture(9, 5).astype(np.uint16) * 257
    case(adam7(wide.byteswap(), 16), expect=(wide >> 8).astype(np.uint8))
    case(adam7(picture(11, 7)))
    case(adam7(picture(3, 1, 1)[:, :, 0], color=0))
    pixels = SEED.integers(0, 1 << 15, (3, 4)).astype("<u2")
    case(bmp(16, None, pixels, 4))
    case(bmp(16, (0xF800, 0x7E0, 0x1F), pixels, 4))
    case(bmp(32, (0xFF0000, 0xFF00, 0xFF), SEED.integers(0, 1 << 24, (3, 5)).astype("<u4"), 5))
    for image in (rgb, gray, bits):
        case(encoded(image, "PPM"))
    case(b"P3\n# red, green\n2 1 15\n15 0 0\n0 15 # and more\n 7\n", expect=np.array([[[255, 0, 0], [0, 255, 119]]], np.uint8))
    case(b"P1\n5 2\n10101\n0 1 0 1 1\n")
    case(b"P2 3 2 100 0 50 100 1 2 3\n")
    case(b"P5 2 2 65535\n" + bytes([0, 0, 255, 255, 128, 0, 0, 2]))
    for packing in (None, "tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate"):
        case(encoded(rgb, "TIFF", compression=packing))
        case(encoded(indexed, "TIFF", compression=packing))
    for image in (gray, bits, rgba):
        case(encoded(image, "TIFF"))
    case(encoded(rgb, "TIFF", compression="tiff_lzw", tiffinfo={317: 2, 278: 3}))
    case(encoded(Image.fromarray(picture(60, 40, 1)[:, :, 0] // 8 * 8), "TIFF", compression="tiff_lzw"), "Grayscale")
    jpegs(case, rgb)


def jpegs(case, rgb):
    large = Image.fromarray(picture(37, 21))
    for form in ("RGB", "BGR", "Grayscale"):
        case(encoded(rgb, "JPEG"), form)
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            case(encoded(large, "JPEG", subsampling=subsampling, progressive=progressive, quality=90))
    case(encoded(large.convert("L"), "JPEG", progressive=True))
    case(encoded(large, "JPEG", restart_marker_blocks=2, quality=30, optimize=True))
    case(encoded(large, "JPEG", keep_rgb=True))
    for width in (1, 3, 5):
        case(encoded(large.crop((0, 0, width, 17)), "JPEG"))
    # Halved rows: a unit of 2 x 1 blocks of luma has the same bits as one of 1 x 2.
    tall = bytearray(encoded(Image.fromarray(picture(32, 16)), "JPEG", subsampling=1))
    at = tall.index(b"\xff\xc0") + 11
    assert tall[at] == 0x21
    tall[at] = 0x12
    case(bytes(tall))
    for quality, options in [(80, {}), (10, {}), (95, {"method": 6}), (40, {"method": 0}), (60, {"alpha_quality": 50})]:
        case(encoded(large.convert("RGBA") if "alpha_quality" in options else large, "WEBP", quality=quality, **options))
    noisy = SEED.integers(0, 256, (50, 66, 3)).astype(np.uint8)
    case(encoded(Image.fromarray(noisy), "WEBP", quality=70), "Grayscale")
    case(encoded(rgb.crop((0, 0, 1, 1)), "WEBP"))
    for options in [{}, {"no_jp2": True}, {"num_resolutions": 1}, {"num_resolutions": 3, "codeblock_size": (8, 16)}] + [
        {"progression": p} for p in ("RLCP", "RPCL", "PCRL", "CPRL")
    ]:
        case(encoded(large, "JPEG2000", **options))
    case(encoded(large, "JPEG2000"), "BGR")
    case(encoded(large.convert("L"), "JPEG2000"), "Grayscale")
    case(encoded(large.convert("RGBA"), "JPEG2000"))
    case(encoded(large.crop((0, 0, 1, 3)), "JPEG2000"))
    case(encoded(Image.new("RGB", (40, 40), (9, 200, 128)), "JPEG2000"))
