"""Files of whole graphs: the ONNX model zoo's, and Caffe's.

ONNX: sizes and SHA-256 are those of ONNX_HUB_MANIFEST.json of https://github.com/onnx/models, accuracies and licences those of its
READMEs; the first mirror is that to which its files have moved. Caffe: URLs and SHA-1 are those of the models' own readme files, VGG's
SHA-1 those of MXNet's caffe_converter, SqueezeNet's those of OpenCV's and mexopencv's lists of test files.
"""

from hubel.fetching import Digest, Remote
from hubel.pretrained.published.entry import Published

ZOO = "validated/vision/classification/"
MIRRORS = (f"https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/{ZOO}", f"https://github.com/onnx/models/raw/main/{ZOO}")


def _onnx(id: str, path: str, size: int, sha256: str, top1: str, top5: str) -> Published:
    file = Remote(path.rpartition("/")[2], size, Digest("sha256", sha256), tuple(mirror + path for mirror in MIRRORS))
    source = f"ONNX model zoo, {path.partition('/')[0]}/README.md"
    return Published(id, "onnx_zoo", file, source, "Apache-2.0", "", top1, top5)


def _caffe(id: str, size: str, sha1: str, licence: str, top1: str, top5: str, url: str, source: str) -> Published:
    return Published(id, "caffe", Remote(url.rpartition("/")[2], None, Digest("sha1", sha1), (url,)), source, licence, size, top1, top5)


# fmt: off
ONNX = tuple(_onnx(*row) for row in (  # id, path, bytes, SHA-256, Top-1, Top-5
    ("resnet18.onnx-7",       "resnet/model/resnet18-v1-7.onnx",  46_820_737,  "4e8f8653e7a2222b3904cc3fe8e304cd8b339ce1d05fd24688162f86fb6df52c", "69.93", "89.29"),
    ("resnet34.onnx-7",       "resnet/model/resnet34-v1-7.onnx",  87_302_588,  "883a41b2e30ddc2e422c108b091b5e70b92d37dc5c345a2c563dcae27971e2cc", "73.73", "91.40"),
    ("resnet50.onnx-7",       "resnet/model/resnet50-v1-7.onnx",  102_583_340, "af16a04a6ec48ac494065d4439fe9dea590d337b9ca6dc328160ccf04a217b9c", "74.93", "92.38"),
    ("resnet101.onnx-7",      "resnet/model/resnet101-v1-7.onnx", 178_914_043, "760702f6ec0138f71ebac66f4e95d1c72dc9267a8544f4d4667a53075fd0497c", "76.48", "93.20"),
    ("resnet152.onnx-7",      "resnet/model/resnet152-v1-7.onnx", 241_816_206, "b0ec92437bf8c9d0739bf9bafdea9638e13f9e3c1e2fb766ad546cc182fd3f6d", "77.11", "93.61"),
    ("resnet50.onnx-12",      "resnet/model/resnet50-v1-12.onnx", 102_576_593, "3f03fdef724b22947eed826f1eef1dc5c34151bb4c37d634f1db89dfa2dd1526", "74.97", "92.33"),
    ("vgg16.onnx-7",          "vgg/model/vgg16-7.onnx",           553_437_328, "f20805a3ecccaa88647bbab4ad011ff2412a9838485ea844de0fcbce349820b9", "72.62", "91.14"),
    ("vgg19.onnx-7",          "vgg/model/vgg19-7.onnx",           574_677_321, "692f9f927f1df1b89033787a77a73eac59fd9b3344f9ecdf0b13221e41c2046f", "73.72", "91.58"),
    ("squeezenet_1_1.onnx-7", "squeezenet/model/squeezenet1.1-7.onnx", 4_956_208, "1eeff551a67ae8d565ca33b572fc4b66e3ef357b0eb2863bb9ff47a918cc4088", "56.34", "79.12"),
))

CAFFE = tuple(_caffe(*row) for row in (  # id, size, SHA-1, licence, top-1, top-5, URL, source
    ("alexnet_caffe.bvlc", "232 MB", "9116a64c0fbe4459d18f4bb6b56d647b63920377", "unrestricted", "57.1", "80.2",
     "http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel", "Caffe, models/bvlc_alexnet/readme.md"),
    ("googlenet_caffe.bvlc", "51 MB", "405fc5acd08a3bb12de8ee5e23a96bec22f08204", "unrestricted", "68.7", "88.9",
     "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel", "Caffe, models/bvlc_googlenet/readme.md"),
    ("vgg16.oxford", "528 MB", "9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24", "CC BY 4.0", "", "",
     "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/VGG_ILSVRC_16_layers.caffemodel", "VGG's page of very deep networks"),
    ("vgg19.oxford", "548 MB", "239785e7862442717d831f682bb824055e51e9ba", "CC BY 4.0", "73.1", "91.3",
     "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/VGG_ILSVRC_19_layers.caffemodel",
     "VGG's page of very deep networks; accuracy in MXNet's caffe_converter"),
    ("squeezenet_1_0_caffe.deepscale", "4.8 MB", "579d0beb658e43c45937bf8bb5e4034fea4e1f69", "BSD", "57.5", "80.3",
     "https://github.com/DeepScale/SqueezeNet/raw/master/SqueezeNet_v1.0/squeezenet_v1.0.caffemodel",
     "the authors' repository; the paper's table 2"),
    ("squeezenet_1_1.deepscale", "4.72 MB", "3397f026368a45ae236403ccc81cfcbe8ebe1bd0", "BSD", "", "",
     "https://raw.githubusercontent.com/DeepScale/SqueezeNet/b5c3f1a23713c8b3fd7b801d229f6b04c64374a5/SqueezeNet_v1.1/squeezenet_v1.1.caffemodel",
     "the authors' repository"),
))
# fmt: on
