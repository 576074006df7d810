"""Keras's files: https://keras.io/api/applications.

URLs and MD5 are those of keras 3.15.1, keras/src/applications; nothing is stated of the bytes of MobileNet's files. Accuracies are
those of the README of keras-team/keras-applications (one crop of ImageNet's validation pictures; to which side they are resized before
is not said), megabytes those of keras.io, licences those of Keras 2's documentation.
"""

from hubel.fetching import Digest, Remote
from hubel.pretrained.published.entry import Published

HOME = "https://storage.googleapis.com/tensorflow/keras-applications/"
SOURCE = "keras 3.15.1, keras/src/applications; README of keras-applications"


def _row(id: str, path: str, size: str, md5: str, licence: str, top1: str, top5: str) -> Published:
    path = path.replace("*", "weights_tf_dim_ordering_tf_kernels")
    file = Remote(path.rpartition("/")[2], None, Digest("md5", md5) if md5 else None, (HOME + path,))
    return Published(id, "keras", file, SOURCE, licence or "not stated", f"{size} MB" if size else "", top1, top5)


# fmt: off
KERAS = tuple(_row(*row) for row in (  # id, path, MB, MD5, licence, top-1, top-5
    ("vgg16.keras",                "vgg16/vgg16_*.h5",                             "528", "64373286793e3c8b2b4e3219cbf3544b", "CC BY 4.0", "71.268", "90.050"),
    ("vgg19.keras",                "vgg19/vgg19_*.h5",                             "549", "cbe5617147190e668d6c5d5026f83318", "CC BY 4.0", "71.256", "89.988"),
    ("resnet50.keras",             "resnet/resnet50_*.h5",                         "98",  "2cb95161c43110f7111970584f804107", "MIT",       "74.928", "92.060"),
    ("resnet101.keras",            "resnet/resnet101_*.h5",                        "171", "f1aeb4b969a6efcfb50fad2f0c20cfc5", "",          "76.420", "92.786"),
    ("resnet152.keras",            "resnet/resnet152_*.h5",                        "232", "100835be76be38e30d865e96f2aaae62", "",          "76.604", "93.118"),
    ("inception_v3.keras",         "inception_v3/inception_v3_*.h5",               "92",  "9a0d58056eeedaa3f26cb7ebd46da564", "Apache",    "77.898", "93.720"),
    ("inception_resnet_v2.keras",  "inception_resnet_v2/inception_resnet_v2_*.h5", "215", "e693bd0210a403b3192acc6073ad2e96", "Apache",    "80.256", "95.252"),
    ("densenet121.keras",          "densenet/densenet121_*.h5",                    "33",  "9d60b8095a5708f2dcce2bca79d332c7", "BSD-3",     "74.972", "92.258"),
    ("densenet169.keras",          "densenet/densenet169_*.h5",                    "57",  "d699b8f76981ab1b30698df4c175e90b", "BSD-3",     "76.176", "93.176"),
    ("densenet201.keras",          "densenet/densenet201_*.h5",                    "80",  "1ceb130c1ea1b78c3bf6114dbdfd8807", "BSD-3",     "77.320", "93.620"),
    ("xception.keras",             "xception/xception_*.h5",                       "88",  "0a58e3b7378bc2990ea3b43d5981f1f6", "",          "79.006", "94.452"),
    ("mobilenet_v1_tf.keras",      "mobilenet/mobilenet_1_0_224_tf.h5",            "16",  "",                                 "Apache",    "70.424", "89.504"),
    ("mobilenet_v1_0_75_tf.keras", "mobilenet/mobilenet_7_5_224_tf.h5",            "",    "",                                 "Apache",    "68.412", "88.242"),
    ("mobilenet_v1_0_50_tf.keras", "mobilenet/mobilenet_5_0_224_tf.h5",            "",    "",                                 "Apache",    "64.292", "85.624"),
    ("mobilenet_v1_0_25_tf.keras", "mobilenet/mobilenet_2_5_224_tf.h5",            "",    "",                                 "Apache",    "51.582", "75.792"),
    ("mobilenet_v2.keras",         "mobilenet_v2/mobilenet_v2_*_1.0_224.h5",       "14",  "",                                 "",          "71.336", "90.142"),
))
# fmt: on
