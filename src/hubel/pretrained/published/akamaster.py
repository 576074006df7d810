"""Yerlan Idelbayev's files for CIFAR-10: https://github.com/akamaster/pytorch_resnet_cifar10. Errors are those of its README.

The digits at the end of a file's name are the first of its SHA-256, as torch.hub has it; the whole one of ResNet-20 is the file's.
"""

from hubel.fetching import Digest, Remote
from hubel.pretrained.published.entry import Published

HOME = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/"
SOURCE = "akamaster/pytorch_resnet_cifar10, README.md"


def _row(row: str, first: str, error: str, size: int | None = None, rest: str = "") -> Published:
    name = f"{row}-{first}.th"
    return Published(
        f"{row}.akamaster", "akamaster", Remote(name, size, Digest("sha256", first + rest), (HOME + name,)), SOURCE, "BSD-2", error=error
    )


AKAMASTER = (
    _row("resnet20", "12fca82f", "8.27", 1_099_231, "0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8"),
    _row("resnet32", "d509ac18", "7.37"),
    _row("resnet44", "014dd654", "6.90"),
    _row("resnet56", "4bfd9763", "6.61"),
    _row("resnet110", "1d1ed7c2", "6.32"),
    _row("resnet1202", "f3b1deed", "6.18"),
)
