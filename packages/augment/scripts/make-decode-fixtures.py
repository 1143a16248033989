"""Draws the small images of assets/decode and writes Pillow's pixels of them as golden hashes.

Run from the repository root: `python packages/augment/scripts/make-decode-fixtures.py`, with Pillow
12 and numpy, after a build (JPEG kinds that Pillow cannot write come from TurboJPEG by
`make-decode-jpegs.mjs`). The images are synthetic and seeded. Encoders of other versions may write
other bytes: commit images and golden.json together.
"""

import hashlib
import io
import json
import pathlib
import struct
import subprocess
import sys
import zlib

import numpy as np
import PIL
from PIL import Image, ImageCms, PngImagePlugin, features

HERE = pathlib.Path(__file__).parent
OUT = HERE.parent / "assets" / "decode"


def photo(width: int, height: int, seed: int) -> Image.Image:
    """A photo-like picture: soft gradients, hard edges, a little noise, saturated colours."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for _ in range(3):
        a, b, c, d = rng.uniform(2, 20, 4)
        plane = 128 + 70 * np.sin(x / a + c) + 50 * np.cos(y / b + x / (d + 9))
        cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(2, 9)
        plane[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.integers(0, 256)
        planes.append(plane + rng.normal(0, 6, plane.shape))
    return Image.fromarray(np.stack(planes, -1).clip(0, 255).astype(np.uint8))


def save(name: str, image: Image.Image, **options: object) -> None:
    image.save(OUT / name, **options)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def color_profile() -> bytes:
    """A profile that would change every pixel if it were applied, without the date of its making."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes())
    profile[24:36] = bytes(12)
    return bytes(profile)


def jpegs() -> None:
    names = {0: "444", 1: "422", 2: "420"}
    for subsampling, name in names.items():
        save(f"c{name}.jpg", photo(45, 35, subsampling), quality=80, subsampling=subsampling)
        for width, height in [(1, 1), (7, 5), (17, 33), (16, 16)]:
            picture = photo(width, height, width + subsampling)
            save(f"c{name}-{width}x{height}.jpg", picture, quality=85, subsampling=subsampling)
        save(f"c{name}-progressive.jpg", photo(37, 41, 9), quality=75, subsampling=subsampling, progressive=True)
    save("gray.jpg", photo(43, 31, 3).convert("L"), quality=80)
    save("gray-1x1.jpg", photo(1, 1, 3).convert("L"), quality=80)
    save("gray-progressive.jpg", photo(43, 31, 4).convert("L"), quality=80, progressive=True)
    save("cmyk.jpg", photo(33, 27, 5).convert("CMYK"), quality=80)
    save("cmyk-progressive.jpg", photo(33, 27, 5).convert("CMYK"), quality=80, progressive=True)
    save("rgb.jpg", photo(33, 27, 6), quality=80, keep_rgb=True)
    save("restart.jpg", photo(64, 48, 7), quality=80, restart_marker_blocks=3)
    save("restart-progressive.jpg", photo(48, 40, 7), quality=80, restart_marker_rows=1, progressive=True)
    save("low-quality.jpg", photo(64, 64, 8), quality=5)
    save("best-quality.jpg", photo(24, 24, 8), quality=100, subsampling=0)
    profile = color_profile()
    save("icc.jpg", photo(40, 30, 10), quality=80, icc_profile=profile)
    for orientation in range(1, 9):
        save(f"exif-{orientation}.jpg", photo(19, 13, 11), quality=80, exif=exif(orientation))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF><r:Description tiff:Orientation="6"/></r:RDF></x:xmpmeta>'
    save("xmp-6.jpg", photo(19, 13, 11), quality=80, xmp=xmp)
    blocks = b"8BIM" + struct.pack(">HBxI", 0x03ED, 0, 16) + struct.pack(">IHHIHH", 72 << 16, 1, 1, 72 << 16, 1, 1)
    blocks += b"8BIM" + struct.pack(">HB", 0x0404, 3) + b"abc" + struct.pack(">I", 5) + b"hello\0"
    photoshop = segment(0xED, b"Photoshop 3.0\0" + blocks)
    tags = exif(3)
    tags[0x011A], tags[0x0128] = 72.0, 2
    save("segments.jpg", photo(40, 30, 12), quality=80, icc_profile=profile, exif=tags, comment="drawn", extra=photoshop)
    ultra_hdr()
    subprocess.run(["node", str(HERE / "make-decode-jpegs.mjs"), str(OUT)], check=True)


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def ultra_hdr() -> None:
    """A photograph with an HDR gain map (Ultra HDR 1.0): a second JPEG behind the first, named by XMP and MPF."""

    def jpeg(image: Image.Image, description: str) -> bytes:
        xmp = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" '
            f"{description}</rdf:Description></rdf:RDF></x:xmpmeta>"
        )
        out = io.BytesIO()
        image.save(out, "JPEG", quality=80, xmp=xmp.encode())
        return out.getvalue()

    gains = jpeg(
        photo(16, 12, 14).convert("L"),
        'hdrgm:GainMapMin="0" hdrgm:GainMapMax="2" hdrgm:Gamma="1" hdrgm:OffsetSDR="0.015625" '
        'hdrgm:OffsetHDR="0.015625" hdrgm:HDRCapacityMin="0" hdrgm:HDRCapacityMax="2" '
        'hdrgm:BaseRenditionIsHDR="False">',
    )
    item = '<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:Semantic='
    base = jpeg(
        photo(64, 48, 13),
        'xmlns:Container="http://ns.google.com/photos/1.0/container/" '
        'xmlns:Item="http://ns.google.com/photos/1.0/container/item/"><Container:Directory><rdf:Seq>'
        f'{item}"Primary"/></rdf:li>{item}"GainMap" Item:Length="{len(gains)}"/></rdf:li>'
        "</rdf:Seq></Container:Directory>",
    )
    at = base.index(b"\xff\xdb")

    def index(primary: int, offset: int) -> bytes:
        entries = struct.pack("<IIIHH", 0x030000, primary, 0, 0, 0) + struct.pack("<IIIHH", 0, len(gains), offset, 0, 0)
        tags = struct.pack("<HHI4sHHIIHHIII", 0xB000, 7, 4, b"0100", 0xB001, 4, 1, 2, 0xB002, 7, 32, 50, 0)
        return segment(0xE2, b"MPF\0II*\0" + struct.pack("<IH", 8, 3) + tags + entries)

    primary = len(base) + len(index(0, 0))
    (OUT / "ultra-hdr.jpg").write_bytes(base[:at] + index(primary, primary - at - 8) + base[at:] + gains)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(name: str, rows: np.ndarray, depth: int, color: int, interlaced: bool = False) -> None:
    """A PNG of depths and interlacing that Pillow does not write. `rows` is H x W x C of uint16 or uint8."""
    height, width = rows.shape[:2]
    samples = rows.reshape(height, width, -1)

    def scanlines(part: np.ndarray) -> bytes:
        lines = b""
        for line in part:
            flat = line.reshape(-1)
            if depth == 16:
                data = flat.astype(">u2").tobytes()
            elif depth == 8:
                data = flat.astype(np.uint8).tobytes()
            else:
                bits = ((flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8).reshape(-1)
                data = np.packbits(bits).tobytes()
            lines += b"\0" + data
        return lines

    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        body = b"".join(
            scanlines(part)
            for top, left, down, right in passes
            if (part := samples[top::down, left::right]).size
        )
    else:
        body = scanlines(samples)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    (OUT / name).write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(body, 9))
        + png_chunk(b"IEND", b"")
    )


def pngs() -> None:
    picture = photo(29, 23, 20)
    alpha = Image.fromarray((np.mgrid[0:23, 0:29][1] * 9 % 256).astype(np.uint8))
    rgba = picture.copy()
    rgba.putalpha(alpha)
    save("rgb.png", picture)
    save("rgba.png", rgba)
    save("gray.png", picture.convert("L"))
    la = picture.convert("L").convert("LA")
    la.putalpha(alpha)
    save("gray-alpha.png", la)
    save("bits1.png", picture.convert("1"))
    palette = picture.quantize(37)
    save("palette.png", palette)
    save("palette-transparent.png", palette, transparency=5)
    save("palette4.png", picture.quantize(13))
    save("palette2.png", picture.quantize(4))
    save("palette1.png", picture.quantize(2))
    save("rgb-transparent.png", picture, transparency=picture.getpixel((3, 3)))
    save("gray-transparent.png", picture.convert("L"), transparency=100)
    save("exif-6.png", picture, exif=exif(6))
    save("icc.png", picture, icc_profile=color_profile())
    text = PngImagePlugin.PngInfo()
    hexed = exif(8).tobytes().hex()
    text.add_text("Raw profile type exif", f"\nexif\n{len(hexed) // 2:8d}\n{hexed}\n", zip=True)
    save("exif-text-8.png", picture, pnginfo=text)
    gamma = PngImagePlugin.PngInfo()
    gamma.add(b"gAMA", struct.pack(">I", 100000))
    save("gamma.png", picture, pnginfo=gamma)
    rng = np.random.default_rng(21)
    levels = rng.integers(0, 65536, (23, 29, 4)).astype(np.uint16)
    levels[..., 0] = np.arange(23 * 29).reshape(23, 29)  # greys on both sides of Pillow's clip at 255
    raw_png("gray16.png", levels[..., :1], 16, 0)
    raw_png("gray16-interlaced.png", levels[..., :1], 16, 0, interlaced=True)
    raw_png("gray-alpha16.png", levels[..., :2], 16, 4)
    raw_png("rgb16.png", levels[..., :3], 16, 2)
    raw_png("rgba16.png", levels, 16, 6)
    raw_png("gray2.png", levels[..., :1] % 4, 2, 0)
    raw_png("gray4.png", levels[..., :1] % 16, 4, 0)
    raw_png("rgb-interlaced.png", np.asarray(picture), 8, 2, interlaced=True)
    raw_png("gray1-interlaced.png", levels[..., :1] % 2, 1, 0, interlaced=True)
    raw_png("one-pixel.png", np.asarray(picture)[:1, :1], 8, 2)


def others() -> None:
    picture = photo(31, 21, 30)
    alpha = Image.fromarray((np.mgrid[0:21, 0:31][0] * 12 % 256).astype(np.uint8))
    rgba = picture.copy()
    rgba.putalpha(alpha)
    save("lossy.webp", picture, quality=70)
    save("lossless.webp", picture, lossless=True)
    save("alpha-lossy.webp", rgba, quality=70)
    save("alpha-lossless.webp", rgba, lossless=True, exact=True)
    save("exif-3.webp", picture, quality=70, exif=exif(3))
    save("animated.webp", picture, save_all=True, append_images=[photo(31, 21, 31)], quality=60)
    save("palette.gif", picture.quantize(50))
    save("transparent.gif", picture.quantize(20), transparency=3)
    save("gray.gif", picture.convert("L"))
    save("interlaced.gif", photo(64, 41, 32).quantize(200), interlace=True)
    save("animated.gif", picture.quantize(16), save_all=True, append_images=[photo(31, 21, 33).quantize(16)])
    offset = bytearray((OUT / "transparent.gif").read_bytes())
    offset[6:10] = struct.pack("<HH", 40, 30)  # a canvas larger than its frame
    at = offset.index(b",\0\0\0\0")
    offset[at + 1 : at + 5] = struct.pack("<HH", 4, 6)
    (OUT / "offset.gif").write_bytes(offset)
    for name, options in {
        "raw": {},
        "lzw": {"compression": "tiff_lzw"},
        "deflate": {"compression": "tiff_adobe_deflate"},
        "packbits": {"compression": "packbits"},
        "jpeg": {"compression": "jpeg", "quality": 80},
    }.items():
        save(f"{name}.tif", picture, **options)
    save("gray.tif", picture.convert("L"))
    save("bits1.tif", picture.convert("1"))
    save("group4.tif", picture.convert("1"), compression="group4")
    save("palette.tif", picture.quantize(30))
    save("rgba.tif", rgba)
    save("cmyk.tif", picture.convert("CMYK"))
    save("gray16.tif", Image.fromarray(np.arange(21 * 31, dtype=np.uint16).reshape(21, 31)))
    save("pages.tif", picture, save_all=True, append_images=[photo(31, 21, 33)])
    save("orientation-6.tif", picture, tiffinfo={274: 6})
    save("orientation-3.tif", picture, tiffinfo={274: 3}, compression="tiff_lzw")
    save("big.tif", picture, big_tiff=True)
    save("rgb.bmp", picture)
    save("gray.bmp", picture.convert("L"))
    save("bits1.bmp", picture.convert("1"))
    save("palette.bmp", picture.quantize(200))
    save("rgba.bmp", rgba)
    bmp_kinds(picture)
    save("rgb.ppm", picture)
    save("gray.pgm", picture.convert("L"))
    save("bits1.pbm", picture.convert("1"))
    save("gray16.pgm", Image.fromarray(np.arange(21 * 31, dtype=np.uint16).reshape(21, 31)))
    (OUT / "plain.ppm").write_bytes(b"P3 # a comment\n3 2\n9\n 0 1 2  3 4 5\n6 7 8 9 0 1 2 3 4 5 6 7\n")
    (OUT / "plain.pgm").write_bytes(b"P2\n4 2 1000\n0 1 200 1000 500 3\n4 5\n")
    (OUT / "plain.pbm").write_bytes(b"P1\n5 2\n10101\n0 1 0 1 1\n")
    (OUT / "maxval.ppm").write_bytes(b"P6\n5 1\n100\n" + bytes(range(0, 100, 7))[:15])
    (OUT / "maxval16.ppm").write_bytes(b"P6 2 2 4095\n" + struct.pack(">12H", *range(0, 4095, 342)[:12]))
    (OUT / "maxval.pgm").write_bytes(b"P5\n4 1\n300\n" + struct.pack(">4H", 0, 1, 2, 300))


def bmp_kinds(picture: Image.Image) -> None:
    """BMP kinds that Pillow reads but does not write: 4 and 16 bits, top-down, RLE, OS/2."""

    def bmp(name: str, width: int, height: int, bits: int, compression: int, body: bytes, palette: bytes = b"", masks: bytes = b"") -> None:
        offset = 54 + len(masks) + len(palette)
        head = struct.pack("<2sIHHI", b"BM", offset + len(body), 0, 0, offset)
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 2835, 2835, len(palette) // 4, 0)
        (OUT / name).write_bytes(head + info + masks + palette + body)

    colors = b"".join(struct.pack("4B", i * 16, 255 - i * 9, i * 5 % 256, 0) for i in range(16))
    rows = np.arange(13 * 9).reshape(9, 13) % 16
    packed = b"".join(bytes((int(a) << 4) | int(b) for a, b in zip(row[0::2], [*row[1::2], 0])) + b"\0" for row in rows)
    bmp("bits4.bmp", 13, 9, 4, 0, packed, colors)
    bmp("top-down.bmp", 13, -9, 4, 0, packed, colors)
    rng = np.random.default_rng(40)
    words = rng.integers(0, 65536, (9, 14)).astype("<u2").tobytes()
    bmp("bits16.bmp", 13, 9, 16, 0, words)
    bmp("bits565.bmp", 13, 9, 16, 3, words, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    quads = rng.integers(0, 256, 13 * 9 * 4).astype(np.uint8).tobytes()
    bmp("bits32.bmp", 13, 9, 32, 0, quads)
    bmp("bitfields32.bmp", 13, 9, 32, 3, quads, masks=struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00))
    runs = b"\x05\x01\x00\x03\x02\x03\x04\x00\x05\x07\x00\x00" + b"\x0d\x09\x00\x00" * 7 + b"\x0d\x0a\x00\x01"
    bmp("rle8.bmp", 13, 9, 8, 1, runs, colors)
    bmp("rle4.bmp", 13, 9, 4, 2, b"\x0d\x1e\x00\x00" * 9 + b"\x00\x01", colors)
    os2 = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 26) + struct.pack("<IHHHH", 12, 13, 9, 1, 24)
    (OUT / "os2.bmp").write_bytes(os2 + rng.integers(0, 256, 40 * 9).astype(np.uint8).tobytes())


def drafts(data: bytes) -> dict[str, str]:
    """By the side that `Image.draft` is asked for, the pixels at 1/2, 1/4 and 1/8."""
    found = {}
    for reduction in (2, 4, 8):
        image = Image.open(io.BytesIO(data))
        side = min(image.size) // reduction
        if side > 0:
            image.draft(None, (side, side))
            found[str(side)] = hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()
    return found


def golden() -> dict[str, object]:
    images = {}
    for file in sorted(OUT.iterdir()):
        if file.suffix == ".json":
            continue
        data = file.read_bytes()
        plain = Image.open(io.BytesIO(data)).convert("RGB")
        from PIL import ImageOps

        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        images[file.name] = {
            "size": list(plain.size),
            "pixels": hashlib.sha256(plain.tobytes()).hexdigest(),
            "uprightSize": list(upright.size),
            "upright": hashlib.sha256(upright.tobytes()).hexdigest(),
        }
        if file.suffix == ".jpg":
            images[file.name]["drafts"] = drafts(data)
    made_by = {"pillow": PIL.__version__, "libjpeg-turbo": features.version("libjpeg_turbo")}
    return {"madeBy": made_by, "images": images}


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    if "--golden-only" not in sys.argv:
        jpegs()
        pngs()
        others()
    (OUT / "golden.json").write_text(json.dumps(golden(), indent=1) + "\n")
    print(sum(f.stat().st_size for f in OUT.iterdir()), "bytes in", OUT)
