"""The sets that are known by name: where they lie, what they hold as published, and where their files are offered.

Every size and SHA-256 below is the one in the catalogue of TensorFlow Datasets (tensorflow_datasets/url_checksums); those of
MNIST, Fashion-MNIST, CIFAR and STL-10 are also those of the files whose MD5 torchvision checks. What MNIST's files unpack to
was compared with a second copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubel.fetching import Digest, Remote


@dataclass(frozen=True)
class Count:
    """What a split holds as published: pictures, how many of the rarest and of the commonest class, and (height, width, channels)."""

    pictures: int
    by_class: tuple[int, int] | None = None
    """None where the publication does not say."""
    size: tuple[int, int, int] | None = None
    """None where pictures have sizes of their own."""


@dataclass(frozen=True)
class Named:
    """A set that is known by name."""

    places: tuple[str, ...]
    """Folders of the cache in which it may lie; it is put into the first."""
    counts: Mapping[str, Count]
    files: tuple[Remote, ...] = ()
    """What is fetched; a .tar.gz is unpacked, anything else is read as it is."""
    by_hand: str = ""
    """Where it comes from, if it cannot be fetched; {place} stands for its folder."""
    known_by: str = ""
    """A class that sets of the same format have not."""


def _files(mirrors: tuple[str, ...], *rows: tuple[str, int, str]) -> tuple[Remote, ...]:
    return tuple(Remote(name, size, Digest("sha256", sha256), tuple(mirror + name for mirror in mirrors)) for name, size, sha256 in rows)


# fmt: off
GREY, SMALL = (28, 28, 1), (32, 32, 3)

SETS: dict[str, Named] = {
    "digits": Named((), {"all": Count(1797, (174, 183), (8, 8, 1))}),  # UCI does not divide them; the division is ours
    "mnist": Named(
        ("mnist", "MNIST/raw"),
        {"train": Count(60_000, (5421, 6742), GREY), "test": Count(10_000, (892, 1135), GREY)},
        _files(
            ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/", "http://yann.lecun.com/exdb/mnist/"),
            ("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            ("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            ("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
        known_by="0",
    ),
    "fashion-mnist": Named(
        ("fashion-mnist", "FashionMNIST/raw"),
        {"train": Count(60_000, (6000, 6000), GREY), "test": Count(10_000, (1000, 1000), GREY)},
        _files(
            ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"),
            ("train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            ("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            ("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            ("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
        known_by="Sneaker",
    ),
    "cifar10": Named(
        ("cifar10", "cifar10/cifar-10-batches-bin", "cifar10/cifar-10-batches-py", "cifar-10-batches-bin", "cifar-10-batches-py"),
        {"train": Count(50_000, (5000, 5000), SMALL), "test": Count(10_000, (1000, 1000), SMALL)},
        _files(
            ("https://www.cs.toronto.edu/~kriz/",),
            ("cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
        ),
        known_by="frog",
    ),
    "cifar100": Named(
        ("cifar100", "cifar100/cifar-100-binary", "cifar100/cifar-100-python", "cifar-100-binary", "cifar-100-python"),
        {"train": Count(50_000, (500, 500), SMALL), "test": Count(10_000, (100, 100), SMALL)},
        _files(
            ("https://www.cs.toronto.edu/~kriz/",),
            ("cifar-100-binary.tar.gz", 168_513_733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
        ),
        known_by="aquarium_fish",
    ),
    "stl10": Named(
        ("stl10", "stl10/stl10_binary", "stl10_binary"),
        {"train": Count(5_000, (500, 500), (96, 96, 3)), "test": Count(8_000, (800, 800), (96, 96, 3))},
        _files(
            ("http://ai.stanford.edu/~acoates/stl10/",),
            ("stl10_binary.tar.gz", 2_640_397_119, "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866"),
        ),
        known_by="monkey",
    ),
    "svhn": Named(  # the extra split is read where extra_32x32.mat was put beside the others; it is not fetched
        ("svhn",),
        {"train": Count(73_257, None, SMALL), "test": Count(26_032, None, SMALL), "extra": Count(531_131, None, SMALL)},
        _files(
            ("http://ufldl.stanford.edu/housenumbers/",),
            ("train_32x32.mat", 182_040_794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
            ("test_32x32.mat", 64_275_384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
        ),
    ),
    "imagenet": Named(
        ("imagenet", "ILSVRC2012"),
        {"train": Count(1_281_167, (732, 1300)), "validation": Count(50_000, (50, 50))},
        by_hand="image-net.org gives ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz to those who register; "
        "unpack them as {place}/train/nXXXXXXXX/*.JPEG, {place}/val/*.JPEG and {place}/ILSVRC2012_devkit_t12",
    ),
    "dogs-vs-cats": Named(
        ("dogs-vs-cats",),
        {"train": Count(25_000, (12_500, 12_500))},
        by_hand="Kaggle's competition dogs-vs-cats gives train.zip to those who register; unpack it as {place}/train/cat.0.jpg and so on, "
        "or sort the pictures into {place}/cat and {place}/dog",
    ),
}
# fmt: on
