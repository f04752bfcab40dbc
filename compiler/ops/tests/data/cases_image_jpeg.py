"""ImageDecoder of JPEG and JPEG 2000: pixels are Pillow's, streams are its own, and of opj_compress, cjpeg and jpegtran
(Debian's libopenjp2-tools and libjpeg-turbo-progs) where Pillow has no option for their form."""
import io
import pathlib
import struct
import subprocess
import tempfile

import numpy as np
from PIL import Image

from cases_image_decoder import encoded, picture

WIDTH, HEIGHT = 23, 17


def tool(command, image, suffix, raw=None):
    """What a tool makes of a picture."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = (pathlib.Path(folder) / name for name in ("in", "out"))
        source = source.with_suffix(".raw" if raw else ".pgm" if image.mode == "L" else ".jpg" if "jpegtran" in command else ".ppm")
        made = made.with_suffix(suffix)
        if raw or "jpegtran" in command:
            source.write_bytes(raw or image)
        else:
            image.save(source)
        command = command.split() + (["-i", source, "-o", made] if "opj" in command else ["-outfile", made, source])
        subprocess.run(command, check=True, capture_output=True)
        return made.read_bytes()


class Jpeg(bytes):
    """A stream for jpegtran."""

    mode = "JPEG"


def boxes(stream, change):
    """A JP2 file whose header's boxes are changed."""
    box = lambda name, data: struct.pack(">I", 8 + len(data)) + name + data
    parts, at = [], 0
    while at < len(stream):
        size, name = struct.unpack(">I4s", stream[at : at + 8])
        size = size or len(stream) - at
        parts.append([name, stream[at + 8 : at + size]])
        at += size
    made = b"".join(box(name, b"".join(box(*b) for b in change(data)) if name == b"jp2h" else data) for name, data in parts)
    return made


def colors(number, palette=None):
    """Says another space of colours, and a palette."""

    def change(header):
        yield b"ihdr", header[8:22]
        yield b"colr", b"\1\0\0" + struct.pack(">I", number)
        if palette is not None:
            count, columns = palette.shape
            yield b"pclr", struct.pack(">HB", count, columns) + bytes([7] * columns) + palette.tobytes()
            yield b"cmap", b"".join(struct.pack(">HBB", 0, 1, k) for k in range(columns))

    return change


def cases(add):
    def case(stream, form="RGB"):
        image = Image.open(io.BytesIO(stream))
        want = np.array(image.convert("L" if form == "Grayscale" else "RGB"))
        want = want[:, :, None] if form == "Grayscale" else want
        attrs = {} if form == "RGB" else {"pixel_format": form}
        data = np.frombuffer(stream, np.uint8)
        add("ImageDecoder", 20, [data], expect=[np.ascontiguousarray(want)], tolerance=0, fixed=True, **attrs)

    jpegs(case)
    jpeg_2000s(case)


def jpegs(case):
    rgb = Image.fromarray(picture(WIDTH, HEIGHT))
    cmyk = Image.fromarray(picture(WIDTH, HEIGHT, 4), "CMYK")
    for form in ("RGB", "Grayscale"):
        case(encoded(cmyk, "JPEG", quality=60), form)
    # The same as YCCK, and without a word of Adobe's.
    stream = encoded(cmyk, "JPEG", progressive=True, quality=60)
    at = stream.index(b"Adobe")
    case(stream[: at + 11] + b"\2" + stream[at + 12 :])
    case(stream[: at - 4] + stream[at + 12 :])
    stream = Jpeg(encoded(rgb, "JPEG", quality=60))
    for options in ("", "-progressive", "-restart 1B", "-progressive -restart 1B"):
        case(tool("jpegtran -arithmetic " + options, stream, ".jpg"))
    case(tool("jpegtran -arithmetic -progressive", Jpeg(encoded(cmyk, "JPEG", quality=30)), ".jpg"))
    for factors in ("3x1,1x1,1x1", "1x3,1x1,1x3", "4x1,1x1,2x1", "2x2,2x1,1x2"):
        case(tool("cjpeg -quality 50 -sample " + factors, rgb, ".jpg"))
    case(tool("cjpeg -quality 50 -rgb -sample 2x1,1x1,1x1", rgb, ".jpg"))


def jpeg_2000s(case):
    rgb = Image.fromarray(picture(WIDTH, HEIGHT))
    gray = rgb.convert("L")
    small = {"num_resolutions": 3, "codeblock_size": (8, 8)}
    float97 = small | {"irreversible": True}
    case(encoded(rgb, "JPEG2000", **float97))
    case(encoded(gray, "JPEG2000", irreversible=True, num_resolutions=1), "Grayscale")
    case(encoded(rgb, "JPEG2000", irreversible=True, num_resolutions=2, mct=0, no_jp2=True))
    for kind in (small, float97):
        case(encoded(rgb, "JPEG2000", quality_layers=[30, 8, 2], **kind))
        for order in ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL"):
            options = {"tile_size": (14, 11), "offset": (5, 3), "tile_offset": (2, 1), "precinct_size": (8, 8)}
            case(encoded(gray, "JPEG2000", quality_layers=[9, 3], progression=order, **options, **kind), "Grayscale")
    case(encoded(rgb.convert("RGBA"), "JPEG2000", tile_size=(16, 16), **float97))
    case(encoded(gray.convert("LA"), "JPEG2000", **small), "Grayscale")
    opj = lambda options, image=gray, raw=None, suffix=".j2k": tool("opj_compress -n 3 -b 8,8 " + options, image, suffix, raw)
    for passes in (1, 2, 4, 8, 16, 32, 63):
        case(opj(f"-M {passes} -r 4,2"), "Grayscale")
    case(opj("-M 5 -I -SOP -EPH -PLT -TLM -TP R"), "Grayscale")
    case(opj("-POC T1=0,0,1,2,1,RLCP/T1=0,0,2,3,1,LRCP -r 5,1"), "Grayscale")
    case(opj("-ROI c=0,U=5"), "Grayscale")
    case(opj("-I -ROI c=1,U=3 -mct 0", rgb))
    # Other depths, with a sign, and fewer samples of chroma.
    y, x = np.mgrid[0:16, 0:20]
    wave = np.sin(x / 3) * np.cos(y / 4)
    for bits, signed in ((1, "u"), (4, "u"), (7, "s"), (9, "u"), (12, "s"), (16, "u")):
        v = np.round((wave + (signed == "u")) * (2 ** (bits - 1) - 1)).astype(np.int64)
        raw = v.astype(">i2" if bits > 8 else "i1").tobytes()
        case(opj(f"-F 20,16,1,{bits},{signed}@1x1", raw=raw))
        case(opj(f"-F 20,16,3,{bits},{signed}@1x1", raw=raw * 3))
    for steps in ("1x1:2x2:2x2", "1x1:2x1:2x1"):
        parts = [wave[:: int(s[2]), :: int(s[0])] for s in steps.split(":")]
        raw = b"".join(np.round(120 + 90 * p * (k - 0.7)).astype(np.uint8).tobytes() for k, p in enumerate(parts))
        case(opj(f"-F 20,16,3,8,u@{steps} -mct 0", raw=raw))
    case(boxes(encoded(rgb, "JPEG2000", mct=0, **float97), colors(18)))
    case(boxes(encoded(Image.fromarray(picture(WIDTH, HEIGHT, 4), "RGBA"), "JPEG2000", mct=0, **small), colors(12)))
    indices = Image.fromarray(picture(WIDTH, HEIGHT, 1)[:, :, 0] // 13)
    for columns in (3, 4):
        palette = (np.arange(columns * 19).reshape(19, columns) * 37 % 256).astype(np.uint8)
        palette[4] = palette[2]
        case(boxes(encoded(indices, "JPEG2000", **small), colors(16, palette)))
