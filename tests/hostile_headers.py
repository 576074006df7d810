"""Picture files whose headers claim more than is decoded, or nothing."""

import struct

from hostile_parts import BAD, BIG_TIFF, MANY, Hostile, bmp, encoded, frame, gif, grey, header, moving, patched, png, tiff, tiled, webp


def bombs():
    """Headers that claim more than is decoded."""
    big_tags = b"".join(struct.pack("<HHQQ", tag, 4, 1, said) for tag, said in ((256, 100_000), (257, 100_000), (273, 8)))
    sides = struct.pack(">HH", 65_500, 65_500)
    files = {
        "PNG 100000 x 100000.png": png(header(100_000, 100_000)),
        "PNG 2^31 - 1 x 1.png": png(header(2**31 - 1, 1)),
        "PNG 2^31 x 1.png": png(header(2**31, 1)),
        "PNG 2^32 - 1 x 2^32 - 1.png": png(header(2**32 - 1, 2**32 - 1)),
        "PNG 9500 x 9500.png": png(header(9500, 9500)),
        "PNG of two headers.png": png(header(2, 1), header(50_000, 50_000)),
        "GIF 65535 x 65535.gif": gif(65_535, 65_535, frame(65_535, 65_535)),
        "GIF with a frame beyond its canvas.gif": gif(1, 1, frame(65_535, 65_535)),
        "TIFF 100000 x 100000, strips.tif": tiff(grey(100_000, 100_000), bytes(16)),
        "TIFF 100000 x 100000, tiles.tif": tiff(tiled(100_000, 256, 16), bytes(16)),
        "TIFF 2^32 - 1 x 1.tif": tiff(grey(2**32 - 1, 1), bytes(16)),
        "TIFF, big, 100000 x 100000.tif": BIG_TIFF + struct.pack("<Q", 3) + big_tags + bytes(8),
        "WebP 16383 x 16383.webp": webp(16_383, 16_383, body=encoded("WEBP")[12:]),
        "WebP 2^24 x 256.webp": webp(2**24, 256, body=encoded("WEBP")[12:]),
        "WebP lossless 16384 x 16384.webp": patched(encoded("WEBP", lossless=True), b"VP8L", 9, b"\xff\xff\xff\x0f"),
        "WebP moving 10000 x 16000.webp": moving(10_000, 16_000),
        "BMP 60000 x 60000.bmp": bmp(60_000, 60_000),
        "BMP 60000 x -60000.bmp": bmp(60_000, -60_000),
        "BMP -5 x 5.bmp": bmp(-5, 5),
        "BMP 2^31 - 1 x 1.bmp": bmp(2**31 - 1, 1),
        "BMP of OS 2, 65535 x 65535.bmp": b"BM" + struct.pack("<IIIIHHHH", 126, 0, 26, 12, 65_535, 65_535, 1, 24) + b"\7" * 100,
        "PPM 100000 x 100000.ppm": b"P6 100000 100000 255\n" + bytes(100),
        "PPM of letters 100000 x 100000.pgm": b"P2 100000 100000 255\n1 2 3",
        "JPEG 65500 x 65500.jpg": patched(encoded("JPEG"), b"\xff\xc0", 5, sides),
        "JPEG progressive 65500 x 65500.jpg": patched(encoded("JPEG", progressive=True), b"\xff\xc2", 5, sides),
    }  # fmt: skip
    return {name: Hostile(data, MANY) for name, data in files.items()}


def empty_sides():
    """Pictures of no width or no height."""
    sound = encoded("JPEG")
    return {name: Hostile(data, BAD) for name, data in {
        "PNG 0 x 5.png": png(header(0, 5)), "GIF 0 x 0.gif": gif(0, 0, frame(0, 0)), "TIFF 0 x 4.tif": tiff(grey(0, 4), bytes(16)),
        "BMP 0 x 5.bmp": bmp(0, 5), "PPM 0 x 0.ppm": b"P6 0 0 255\n", "PPM -1 x 5.ppm": b"P6 -1 5 255\n",
        "JPEG 0 x 40.jpg": patched(sound, b"\xff\xc0", 7, b"\0\0"), "JPEG 40 x 0.jpg": patched(sound, b"\xff\xc0", 5, b"\0\0"),
    }.items()}  # fmt: skip
