"""Picture files and colour profiles written byte by byte from their specifications, so that no library is its own oracle."""

import struct
import zlib

# --- PNG, third edition -------------------------------------------------------------------------------------------------


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, before=b"", after=b""):
    """Rows as they are packed; colour is 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA; chunks before and after the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + before + pixels + after + chunk(b"IEND", b"")


def profile_chunk(profile):
    return chunk(b"iCCP", b"any name\0\0" + zlib.compress(profile))


# --- TIFF 6.0 -----------------------------------------------------------------------------------------------------------

SHORT, LONG, FLOAT, UNDEFINED = 3, 4, 11, 7
LETTERS = {SHORT: "H", LONG: "I", FLOAT: "f", UNDEFINED: "B"}


def page(width, height, bits, photometric, data, kind=1, more=()):
    """One picture of a TIFF: bits of each sample; kind 1 unsigned, 2 signed, 3 floating point; more tags as (tag, type, values)."""
    tags = [(256, SHORT, [width]), (257, SHORT, [height]), (258, SHORT, list(bits)), (259, SHORT, [1]), (262, SHORT, [photometric]),
            (277, SHORT, [len(bits)]), (278, SHORT, [height]), (279, LONG, [len(data)]), (339, SHORT, [kind] * len(bits))]  # fmt: skip
    return tags + list(more), data


def tiff(*pages, order="<"):
    """A TIFF of those pages, small end first or (">") large end first."""
    file = bytearray((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8))
    link = 4
    for tags, data in pages:
        file += b"\0" * (len(file) % 2)
        struct.pack_into(f"{order}I", file, link, len(file))
        tags = sorted([*tags, (273, LONG, [0])])
        later = len(file) + 2 + 12 * len(tags) + 4
        entries, beyond = b"", b""
        values = {tag: struct.pack(f"{order}{len(said)}{LETTERS[kind]}", *said) for tag, kind, said in tags}
        start = later + sum(len(value) for value in values.values() if len(value) > 4)
        values[273] = struct.pack(f"{order}I", start)
        for tag, kind, said in tags:
            value = values[tag]
            if len(value) > 4:
                value, beyond = struct.pack(f"{order}I", later + len(beyond)), beyond + value
            entries += struct.pack(f"{order}HHI", tag, kind, len(said)) + value.ljust(4, b"\0")
        file += struct.pack(f"{order}H", len(tags)) + entries
        link = len(file)
        file += bytes(4) + beyond + data
    return bytes(file)


# --- BMP, GIF89a, Netpbm ------------------------------------------------------------------------------------------------


def bmp(width, height, depth, rows, palette=(), masks=b""):
    """Rows as they are packed, from the top; palette of (red, green, blue); masks where bits are given to colours by them."""
    table = b"".join(bytes([blue, green, red, 0]) for red, green, blue in palette)
    body = b"".join(row + bytes(-len(row) % 4) for row in reversed(rows))
    start = 14 + 40 + len(masks) + len(table)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, depth, 3 if masks else 0, len(body), 0, 0, len(palette), 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + masks + table + body


def gif(width, height, palette, *frames, transparent=None):
    """Frames of fewer than 120 indices into up to 128 colours, stored: codes of 8 bits that never grow."""
    table = b"".join(bytes(colour) for colour in palette).ljust(3 * 128, b"\0")
    control = b"" if transparent is None else bytes([0x21, 0xF9, 4, 1, 0, 0, transparent, 0])
    file = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF6, 0, 0) + table
    for indices in frames:
        data = bytes([128, *indices, 129])
        file += control + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + bytes([7, len(data)]) + data + b"\0"
    return file + b";"


# --- JPEG (ITU-T T.81) of flat blocks -----------------------------------------------------------------------------------


def segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def adobe(transform):
    """The marker that says how colours are coded: 0 as they are, 1 YCbCr, 2 YCCK."""
    return segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))


def jpeg(blocks, between=b""):
    """Rows of blocks, each a tuple of levels, one of each component, that all its 8 x 8 pixels have; markers between them and the start.

    Every coefficient but the first is zero, and is quantised by 1: eight times a level less 128, so what is written is exact.
    """
    height, width, count = 8 * len(blocks), 8 * len(blocks[0]), len(blocks[0][0])
    components = b"".join(bytes([number, 0x11, 0]) for number in range(1, count + 1))
    frame = segment(0xC0, struct.pack(">BHHB", 8, height, width, count) + components)
    steps = segment(0xDB, b"\0" + b"\1" * 64)
    first = segment(0xC4, b"\x00" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))  # lengths 0 to 11, in four bits each
    others = segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")  # "no more", in one bit
    scan = segment(0xDA, bytes([count]) + b"".join(bytes([number, 0]) for number in range(1, count + 1)) + bytes([0, 63, 0]))
    bits, before = "", [0] * count
    for levels in (block for row in blocks for block in row):
        for number, level in enumerate(levels):
            now = 8 * (level - 128)
            step, before[number] = now - before[number], now
            length = abs(step).bit_length()
            bits += f"{length:04b}" + (f"{step if step > 0 else step + 2**length - 1:0{length}b}" if length else "") + "0"
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    return b"\xff\xd8" + between + steps + frame + first + others + scan + data + b"\xff\xd9"


def turned(orientation):
    """EXIF that says nothing else."""
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HH", orientation, 0) + bytes(4)


# --- ICC.1:2010 profiles ------------------------------------------------------------------------------------------------

D50 = 0.9642, 1.0, 0.8249
SRGB = (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)
ADOBE_RGB = (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)
DISPLAY_P3 = (0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)
"""Red, green and blue, in X, Y, Z under D50."""


def curve(values):
    """A tone curve: one number is a power, more are a table from 0 to 1."""
    table = [round(values[0] * 256)] if len(values) == 1 else [round(value * 65535) for value in values]
    return b"curv" + bytes(4) + struct.pack(f">I{len(table)}H", len(table), *table)


def xyz(values):
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def profile(kind, space, connection, tags):
    """A profile of the kind (mntr, prtr), of colours in `space`, told in `connection`."""
    tags = {b"wtpt": xyz(D50), **tags}
    body, table, start = b"", struct.pack(">I", len(tags)), 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x02400000, kind, space, connection, b"acsp")
    light = struct.pack(">3i", *(round(value * 65536) for value in D50))
    return header.ljust(68, b"\0") + light.ljust(60, b"\0") + table + body


def rgb_profile(primaries, tone):
    tags = {name + b"XYZ": xyz(values) for name, values in zip((b"r", b"g", b"b"), primaries)}
    return profile(b"mntr", b"RGB ", b"XYZ ", {**tags, **{name + b"TRC": curve(tone) for name in (b"r", b"g", b"b")}})


def grey_profile(tone):
    return profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve(tone)})


def ink_profile(lab):
    """Inks whose colour is `lab(c, m, y, k)`, (L, a, b), where each is all or nothing, and in between what is between those."""
    corners = [lab(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    levels = bytes(round(value) for L, a, b in corners for value in (L * 2.55, a + 128, b + 128))
    straight = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    return profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table + straight * 4 + levels + straight * 3})
