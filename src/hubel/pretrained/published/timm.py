"""timm's files: https://huggingface.co/timm, and releases of https://github.com/huggingface/pytorch-image-models.

SHA-256 and megabytes are those of the files' pages, licences and how pictures are read those of timm 1.0.31 (default_cfgs; the side
resized to is the crop's by its crop_pct, rounded down), accuracies those of its results/results-imagenet.csv. Files whose SHA-256 is
not known are listed only where a row has no other. Digits at the end of a release's name are the first of its SHA-256, as torch.hub
has it.
"""

from collections.abc import Callable

from hubel.fetching import Digest, Remote
from hubel.pictures.pixels import Pixels
from hubel.pretrained.origins import Trained
from hubel.pretrained.policies import halved, imagenet
from hubel.pretrained.published.entry import Published

SOURCE = "timm 1.0.31, default_cfgs; results/results-imagenet.csv"


def bicubic(policy: Callable[..., Pixels], side: int, resized: int) -> Pixels:
    return policy(side, resized, kernel="bicubic")


def _hub(row: str, name: str, size: str, sha256: str, licence: str, top1: str, top5: str, pixels: Pixels) -> Published:
    url = f"https://huggingface.co/timm/{name}/resolve/main/model.safetensors"
    file = Remote(f"{name}.safetensors", None, Digest("sha256", sha256) if sha256 else None, (url,))
    return _published(row, name.partition(".")[2].removesuffix("_in1k"), file, licence, f"{size} MB", top1, top5, pixels)


def _release(row: str, tag: str, url: str, licence: str, top1: str, top5: str, pixels: Pixels) -> Published:
    name = url.rpartition("/")[2]
    first = name.rpartition("-")[2].removesuffix(".pth")
    return _published(row, tag, Remote(name, None, Digest("sha256", first), (url,)), licence, "", top1, top5, pixels)


def _published(row: str, tag: str, file: Remote, licence: str, size: str, top1: str, top5: str, pixels: Pixels) -> Published:
    return Published(f"{row}.timm-{tag}", "timm", file, SOURCE, licence, size, top1, top5, trained=Trained(pixels))


# fmt: off
HUB = tuple(_hub(*row) for row in (  # row, name on the hub, MB, SHA-256, licence, top1, top5, how pictures are read
    ("vgg11",               "vgg11.tv_in1k",               "531",  "682c023808812148d4e60c76d80ad83dbeaf5d50eb1a952a0b836895003151e5", "BSD-3",      "69.022", "88.624", imagenet(224, 256)),
    ("vgg16",               "vgg16.tv_in1k",               "553",  "57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8", "BSD-3",      "71.592", "90.384", imagenet(224, 256)),
    ("vgg19",               "vgg19.tv_in1k",               "575",  "11aea017b543ff59233749d8f1cf544cda749378f5790d2fedab841fb86b7669", "BSD-3",      "72.378", "90.874", imagenet(224, 256)),
    ("resnet18",            "resnet18.a1_in1k",            "46.8", "80c49dee3da4822c009c5a7fe591e9223c5a2cfcf95a4067ca4dfb5a7b89c612", "Apache-2.0", "73.158", "91.026", bicubic(imagenet, 288, 288)),
    ("resnet18",            "resnet18.a3_in1k",            "46.8", "f049dd3c2e08176be8844dd123467fa5714cff1f141dcfe0ab4975e567f9de21", "Apache-2.0", "68.254", "88.176", bicubic(imagenet, 224, 235)),
    ("resnet50_v15",        "resnet50.a1_in1k",            "102",  "773525d5821de224f8f30c33377b7a795d7863e08522698200d3217d3f2a41bb", "Apache-2.0", "81.214", "95.102", bicubic(imagenet, 288, 288)),
    ("resnet101_v15",       "resnet101.a1_in1k",           "179",  "1ba5b660e7c175b3c27c557fc7dc8b2815be830c516815b0155f61b403f27380", "Apache-2.0", "",       "",       bicubic(imagenet, 288, 288)),
    ("resnet101_v15",       "resnet101.a1h_in1k",          "179",  "1a076c0384295e7d3704f201c5711ff245507db934230bab72ff3014a95f90fe", "Apache-2.0", "",       "",       bicubic(imagenet, 288, 288)),
    ("resnet101_v15",       "resnet101.a3_in1k",           "179",  "846baf57eaff38823a70bf63fe58052d2d6b93bd25d3b89c4d31f6909babba0b", "Apache-2.0", "79.814", "94.606", bicubic(imagenet, 224, 235)),
    ("inception_v3_torch",  "inception_v3.tv_in1k",        "95.5", "9c452c63a67fd03a38a78c401ba12d4be0e926df63c93403de3a29f6df20fefb", "Apache-2.0", "77.434", "93.474", bicubic(halved, 299, 341)),
    ("inception_resnet_v2", "inception_resnet_v2.tf_in1k", "224",  "dbea26b13a5fc8351919fed6a94222c0577ce324b2765fd081a798f837ca9d72", "Apache-2.0", "80.462", "95.308", bicubic(halved, 299, 333)),
    ("densenet121",         "densenet121.tv_in1k",         "32.3", "c894c6d9caa317a8ca1942986dee7a16a86c77734a4d691d2abe05389cfef358", "Apache-2.0", "74.764", "92.154", bicubic(imagenet, 224, 256)),
    ("mobilenet_v2_torch",  "mobilenetv2_100.ra_in1k",     "14.2", "55ea4fb3a96010b933710ebf44fc965b070d5cd054d3f35e44f2d1320b4a714e", "Apache-2.0", "72.976", "91.010", bicubic(imagenet, 224, 256)),
    ("mobilenet_v1_torch",  "mobilenetv1_100.ra4_e3600_r224_in1k", "17", "", "Apache-2.0", "", "", bicubic(halved, 256, 269)),
))

RELEASED = tuple(_release(*row) for row in (  # row, what it is called here, URL, licence, top1, top5, how pictures are read
    ("resnet34", "a1",
     "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-rsb-weights/resnet34_a1_0-46f8f793.pth",
     "Apache-2.0", "77.918", "93.766", bicubic(imagenet, 288, 288)),
    ("xception_torch", "tf",
     "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-cadene/xception-43020ad28.pth",
     "Apache-2.0", "79.040", "94.382", bicubic(halved, 299, 333)),
))
# fmt: on

TIMM = (*HUB, *RELEASED)
