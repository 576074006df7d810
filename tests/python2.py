"""Pickles as Python 2 wrote them (protocol 2), which is what CIFAR's python version consists of; written byte by byte."""

import struct


class Python2:
    """Writes one value; every container and text is remembered under the next number, as cPickle did."""

    def __init__(self):
        self.remembered = 0

    def put(self):
        self.remembered += 1
        return b"q" + bytes([self.remembered]) if self.remembered < 256 else b"r" + struct.pack("<I", self.remembered)

    def text(self, value):
        data = value.encode("latin-1")
        return (b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + struct.pack("<i", len(data))) + data + self.put()

    def number(self, value):
        if 0 <= value < 256:
            return b"K" + bytes([value])
        return b"M" + struct.pack("<H", value) if 0 <= value < 65536 else b"J" + struct.pack("<i", value)

    def value(self, value):
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int):
            return self.number(value)
        if isinstance(value, list):
            return b"]" + self.put() + (b"(" + b"".join(map(self.value, value)) + b"e" if value else b"")
        if isinstance(value, dict):
            return b"}" + self.put() + b"(" + b"".join(self.text(key) + self.value(entry) for key, entry in value.items()) + b"u"
        return self.array(value)

    def array(self, value, by_columns=False):
        made = b"cnumpy.core.multiarray\n_reconstruct\n" + self.put() + b"cnumpy\nndarray\n" + self.put()
        made += b"K\x00\x85" + self.put() + b"U\x01b\x87" + self.put() + b"R" + self.put() + b"(K\x01"
        made += b"".join(map(self.number, value.shape)) + b"\x86" + self.put()
        made += b"cnumpy\ndtype\n" + self.put() + b"U\x02u1K\x00K\x01\x87" + self.put() + b"R" + self.put()
        made += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb" + (b"\x88" if by_columns else b"\x89")
        return made + self.text(value.tobytes("F" if by_columns else "C").decode("latin-1")) + b"tb"


def written(value):
    """The whole file."""
    return b"\x80\x02" + Python2().value(value) + b"."
