"""ImageDecoder of rarer forms of BMP, PNM and PNG: pixels are Pillow's; streams are put together here."""
import io
import struct
import zlib

import numpy as np
from PIL import Image

SEED = np.random.default_rng(4040)


def bmp(bits, compression, size, data, colors=0, palette=b"", header=40, masks=b"", first=None):
    """A negative height is an image from the top down."""
    if header == 12:
        head = struct.pack("<IHHHH", 12, *size, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, *size, 1, bits, compression, len(data), 0, 0, colors, 0)
        head += masks + bytes(max(0, header - 40 - len(masks)))
    start = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start if first is None else first) + head + palette + data


def png(width, height, depth, color, rows, chunks=()):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    parts = b"".join(chunk(kind, data) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + head + parts + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def cases(add):
    def case(stream, form="RGB"):
        want = np.array(Image.open(io.BytesIO(stream)).convert("L" if form == "Grayscale" else "RGB"))
        want = want[:, :, None] if form == "Grayscale" else want
        attrs = {} if form == "RGB" else {"pixel_format": form}
        add("ImageDecoder", 20, [np.frombuffer(stream, np.uint8)], expect=[want], tolerance=0, fixed=True, **attrs)

    def some(n):
        return SEED.integers(0, 256, n).astype(np.uint8).tobytes()

    # Runs of bytes: a run, pixels as they are, the row's end, a step, and what would go beyond a row.
    runs = bytes([3, 1, 0, 3, 2, 0, 1, 0, 0, 0, 0, 2, 2, 1, 9, 3, 0, 4, 1, 2, 3, 0, 6, 1, 0, 0, 6, 2, 0, 0, 6, 1, 0, 1])
    case(bmp(8, 1, (6, 5), runs, 4, some(16)))
    case(bmp(8, 1, (6, -5), runs, 4, some(16)))
    # And of halves of bytes.
    halves = bytes([5, 0x12, 0, 0, 0, 3, 0x21, 0x30, 2, 0x34, 0, 0, 0, 2, 1, 1, 4, 0xF0, 0, 4, 0x12, 0x34, 9, 0x55, 0, 1])
    case(bmp(4, 2, (5, 4), halves, 6, some(24)))
    # Headers: OS/2's of 12 and 64 bytes, longer ones with masks inside.
    case(bmp(8, 0, (3, 2), some(8), palette=some(768), header=12))
    case(bmp(4, 0, (3, 2), some(8), 16, some(64), header=64))
    case(bmp(1, 0, (9, 2), some(8), palette=some(8)))
    case(bmp(16, 3, (3, 2), some(16), masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F), header=56))
    alpha = struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    case(bmp(32, 3, (3, -2), some(24), masks=alpha, header=124))
    case(bmp(32, 3, (3, 2), some(24), masks=bytes(16), header=108))
    case(bmp(24, 3, (3, 2), some(24), masks=struct.pack("<III", 0xFF0000, 0xFF00, 0xFF), header=52))
    # A colour that the palette doesn't have, pixels whose place isn't told, no padding at the end.
    case(bmp(8, 0, (4, 1), bytes([0, 1, 2, 9]), 3, some(12)))
    case(bmp(8, 0, (5, 2), some(13), palette=some(1024), first=0))
    # Values of other depths, text of one bit, floats, comments.
    for most in (1, 2, 6, 100, 254):
        values = " ".join(str(v) for v in SEED.integers(0, most + 1, 12)).encode()
        case(b"P2\n# no more than that\n4 3 %d\n%s\n" % (most, values))
    case(b"P5 6 2 6\n" + bytes(range(7)) + some(5))
    case(b"P5 3 2 1000\n\0\0\0\1\0\4\3\xe7\3\xe8\xff\xff")
    case(b"P5 3 2 65535\n\0\0\0\1\0\xff\1\0\3\xe8\xff\xff", "Grayscale")
    case(b"P2 3 2 1000\n0 1 2 3 4 1000")
    case(b"P6 2 1 1000\n" + struct.pack(">6H", 0, 2, 100, 500, 998, 1000))
    case(b"P3 2 1 1000\n0 2 100 500 998 1000")
    floats = np.array([3.7, -1, 255.5, 300, np.nan, np.inf, 0.99, 1.0, 128.5, 1e-40, 254.999, -np.inf], np.float32)
    case(b"Pf\n4 3\n-1.0\n" + floats.astype("<f4").tobytes())
    case(b"Pf 4 3 2\n" + floats.astype(">f4").tobytes(), "Grayscale")
    # Grey of 16 bits with and without alpha; what is no picture; a colour that the palette doesn't have.
    case(png(5, 1, 16, 0, bytes([0, 0, 0, 0, 7, 0, 255, 1, 0, 200, 9]), [(b"tRNS", b"\0\7")]))
    case(png(2, 1, 16, 4, bytes([0, 3, 7, 0, 200, 9, 0, 1, 255])))
    case(png(3, 2, 8, 2, b"\0" + some(9) + b"\2" + some(9), [(b"gAMA", struct.pack(">I", 45455)), (b"sBIT", b"\5\6\5"), (b"tRNS", bytes(6))]))
    case(png(4, 1, 8, 3, bytes([0, 0, 1, 2, 9]), [(b"PLTE", some(9)), (b"tRNS", b"\0\x80")]))
