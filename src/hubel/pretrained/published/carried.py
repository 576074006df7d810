"""Files that others have put together from published weights, known by their SHA-256 alone: nobody is known to offer them at a URL."""

from hubel.fetching import Digest, Remote
from hubel.pretrained.published.entry import Published


def _row(id: str, origin: str, name: str, size: int, sha256: str, licence: str, note: str, top1: str = "", top5: str = "") -> Published:
    return Published(id, origin, Remote(name, size, Digest("sha256", sha256), ()), note, licence, top1=top1, top5=top5)


# fmt: off
CARRIED = tuple(_row(*row) for row in (  # id, origin, name, bytes, SHA-256, licence, what it is, top-1, top-5
    ("lenet_caffe.mnist", "caffe", "caffe_lenet_mnist.caffemodel", 1_724_991,
     "3cdcc80a074004c660dd91f998e6ef8ac9c58b8354dd32cf8658df9ff597d0eb", "BSD", "Caffe's example of MNIST, trained"),
    ("squeezenet_1_0_caffe.compressed", "caffe", "squeezenet_v1.0_imagenet_deepcompressed.npz", 926_077,
     "a22e7b5a7c8bf0365d681e31b24bcbdd72e6548765567d7f19941773be8cf196", "BSD-2",
     "the authors' file by Deep Compression, a few values a layer; the paper's table 2", "57.5", "80.3"),
    ("squeezenet_1_1.half", "caffe", "squeezenet_v1.1_imagenet_ncnn_fp16.npz", 2_493_106,
     "8bdbb1aef5ee64879d83622131e2ffdb2838dae692d351ee8b29407459920c5a", "BSD-2", "the authors' file in half precision, by way of ncnn"),
    ("mobilenet_v1_0_25_tf.tfjs", "keras", "mobilenet_v1_0.25_224_imagenet_tfjs_f32.npz", 1_939_908,
     "89f86b15e8414b7413b8dd6bdda1cb0b235ee486cc620d79d12d194ea7afedec", "Apache-2.0", "Google's weights by way of TensorFlow.js"),
))
# fmt: on
