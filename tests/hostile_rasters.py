"""Hostile files in PNG, GIF, BMP and PPM."""

import random
import struct
import zlib

from hostile_parts import BAD, EITHER, MANY, READ, Hostile, bmp, chunk, encoded, frame, gif, header, patched, png, zeros


def pngs():
    one, transparent = header(2, 1), chunk(b"tRNS", b"\0\1")
    paletted, colours, first = header(2, 1, 8, 3), chunk(b"PLTE", b"\xff\0\0"), zlib.compress(bytes(3))
    control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 2, 1, 0, 0, 1, 1, 0, 0))
    beyond = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 65_536, 1, 0, 0, 1, 1, 0, 0))
    text = b"".join(chunk(b"zTXt", b"key %d\0\0" % i + zeros(1)) for i in range(100))
    return {
        "PNG whose pixels are a bomb.png": Hostile(png(one, pixels=zeros(1000)), EITHER),
        "PNG with a bomb for its text.png": Hostile(png(one, chunk(b"zTXt", b"key\0\0" + zeros(500))), BAD),
        "PNG with a bomb for its other text.png": Hostile(png(one, chunk(b"iTXt", b"key\0\1\0\0\0" + zeros(500))), BAD),
        "PNG with a hundred bombs for its texts.png": Hostile(png(one, text), BAD),
        "PNG with a bomb for its profile.png": Hostile(png(one, chunk(b"iCCP", b"key\0\0" + zeros(500))), BAD),
        "PNG with a profile of noise.png": Hostile(png(one, chunk(b"iCCP", b"key\0\0" + b"noise" * 50)), READ),
        "PNG with a wrong sum in its header.png": Hostile(patched(png(one), b"IHDR", 17, b"\0\0\0\0"), BAD),
        "PNG with a wrong sum in its pixels.png": Hostile(patched(png(one), b"IEND", -8, b"\0\0\0\0"), EITHER),
        "PNG with too little transparency.png": Hostile(png(one, transparent), BAD),
        "PNG with too much transparency.png": Hostile(png(paletted, colours, chunk(b"tRNS", bytes(999)), pixels=first), EITHER),
        "PNG of colours that its palette has not.png": Hostile(png(paletted, colours, pixels=zlib.compress(b"\0\xc8\xff")), EITHER),
        "PNG without a palette.png": Hostile(png(paletted, pixels=first), EITHER),
        "PNG with a palette of 4 bytes.png": Hostile(png(paletted, chunk(b"PLTE", b"\0" * 4), pixels=first), EITHER),
        "PNG interlaced and cut.png": Hostile(png(header(40, 40, interlaced=1), pixels=zlib.compress(bytes(50))), BAD),
        "PNG of 3 bits.png": Hostile(png(header(2, 1, 3)), BAD),
        "PNG of colour type 5.png": Hostile(png(header(2, 1, 8, 5)), BAD),
        "PNG of filter 9.png": Hostile(png(one, pixels=zlib.compress(b"\x09" + bytes(6))), BAD),
        "PNG of compression 7.png": Hostile(png(chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 2, 7, 7, 7))), BAD),
        "PNG without pixels.png": Hostile(b"\x89PNG\r\n\x1a\n" + one + chunk(b"IEND", b""), BAD),
        "PNG with a short header.png": Hostile(png(chunk(b"IHDR", b"\0\0\0\2")), BAD),
        "PNG with a part of 2 GB.png": Hostile(b"\x89PNG\r\n\x1a\n" + one + b"\x7f\xff\xff\xfftEXt" + bytes(99), BAD),
        "PNG in a hundred thousand empty parts.png": Hostile(b"\x89PNG\r\n\x1a\n" + one + chunk(b"IDAT", b"") * 100_000 + png()[8:], READ),
        "PNG with a header behind its pixels.png": Hostile(png(one)[:-12] + header(50_000, 50_000) + png()[-12:], EITHER),
        "PNG moving, 2^31 - 1 frames.png": Hostile(png(one, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), control), EITHER),
        "PNG moving, no frames.png": Hostile(png(one, chunk(b"acTL", bytes(8)), control), EITHER),
        "PNG moving beyond its canvas.png": Hostile(png(one, chunk(b"acTL", b"\0\0\0\1" + bytes(4)), beyond), BAD),
    }  # fmt: skip


def gifs():
    dot, comment = frame(1, 1), b"!\xfe" + (b"\xff" + b"c" * 255) * 10_000 + b"\0"
    return {
        "GIF of 300000 frames.gif": Hostile(gif(1, 1, dot * 300_000), READ),
        "GIF with a comment of 2 MB.gif": Hostile(gif(1, 1, comment, dot), READ),
        "GIF with 100000 extensions.gif": Hostile(gif(1, 1, b"!\xf9\4\0\0\0\0\0" * 100_000, dot), READ),
        "GIF without an end.gif": Hostile(gif(1, 1, dot)[:-1], READ),
        "GIF without a frame.gif": Hostile(gif(1, 1), BAD),
        "GIF of codes of no bits.gif": Hostile(gif(1, 1, frame(1, 1, b"\0\2\x44\1\0")), EITHER),
        "GIF of codes of 255 bits.gif": Hostile(gif(1, 1, frame(1, 1, b"\xff\2\x44\1\0")), BAD),
        "GIF of noise.gif": Hostile(gif(40, 40, frame(40, 40, b"\x08\xff" + random.Random(1).randbytes(255) + b"\0")), BAD),
        "GIF of colours that its palette has not.gif": Hostile(gif(1, 1, frame(1, 1, b"\x08\4\0\xff\x05\x04\0")), EITHER),
    }  # fmt: skip


def bmps():
    palette, runs = bytes(range(256)) * 4, b"\1\1\0\0" * 9000 + b"\0\1"
    return {
        "BMP from the top.bmp": Hostile(bmp(2, -2, body=bytes(16)), READ),
        "BMP of height -2^31.bmp": Hostile(bmp(2, -(2**31)), MANY),
        "BMP in runs that end early, 9000 x 9000.bmp": Hostile(bmp(9000, 9000, 8, 1, runs, 256, palette), "at most|damaged"),
        "BMP in runs that skip beyond it.bmp": Hostile(bmp(4, 4, 8, 1, b"\0\2\xff\xff" * 50, 256, palette), EITHER),
        "BMP of colours that its palette has not.bmp": Hostile(bmp(4, 1, 8, 0, b"\0\7\xc8\xff", 2, b"\0\0\xff\0\1\2\3\0"), EITHER),
        "BMP of 2^31 - 1 colours.bmp": Hostile(bmp(4, 4, 8, colours=2**31 - 1), BAD),
        "BMP of 7 bits.bmp": Hostile(bmp(4, 4, 7), BAD),
        "BMP packed as JPEG.bmp": Hostile(bmp(4, 4, 24, 4, encoded("JPEG")), BAD),
        "BMP whose pixels lie beyond it.bmp": Hostile(patched(bmp(4, 4), b"BM", 10, b"\xff\xff\xff\x7f"), BAD),
        "BMP with a header of 2 GB.bmp": Hostile(patched(bmp(4, 4), b"BM", 14, b"\xff\xff\xff\x7f"), BAD),
        "PPM with a name for its width.ppm": Hostile(b"P6 \x1b[31mred\n 5 255\n", BAD),
        "PPM of a long number.ppm": Hostile(b"P6 " + b"9" * 5000 + b" 5 255\n", BAD),
        "PPM of levels above its most.pgm": Hostile(b"P2 2 1 9\n1 99999\n", BAD),
        "PPM that is all comment.ppm": Hostile(b"P6 #" + b"c" * 1_000_000, BAD),
        "PFM of 4 x 1.pfm": Hostile(b"Pf 4 1 -1.0\n" + bytes(16), "^read$|floating-point"),
        "PFM of numbers that are none.pfm": Hostile(b"Pf 4 1 -1.0\n" + b"\0\0\xc0\x7f" * 4, "no number|not finite|floating-point"),
    }  # fmt: skip
