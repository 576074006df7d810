"""torchvision's files: https://github.com/pytorch/vision, torchvision/models of version 0.28.0.

The digits at the end of a file's name are the first of its SHA-256 (torch.hub, load_state_dict_from_url); more is not stated, nor are
bytes. Accuracies are of one crop of each of ImageNet's validation pictures, SqueezeNet's at 224 x 224. No licence is stated of a file:
"The pre-trained models provided in this library may have their own licenses or terms and conditions derived from the dataset used
for training." The code's is BSD-3.
"""

from hubel.fetching import Digest, Remote
from hubel.pretrained.origins import Trained
from hubel.pretrained.policies import imagenet
from hubel.pretrained.published.entry import Published

V2 = Trained(imagenet(224, 232))
SOURCE = "torchvision 0.28.0, torchvision/models"


def _row(id: str, name: str, size: str, top1: str, top5: str, trained: Trained | None = None) -> Published:
    first = name.rpartition("-")[2].removesuffix(".pth")
    file = Remote(name, None, Digest("sha256", first), (f"https://download.pytorch.org/models/{name}",))
    return Published(id, "torchvision", file, SOURCE, "not stated", f"{size} MiB", top1, top5, trained=trained)


# fmt: off
TORCHVISION = tuple(_row(*row) for row in (  # id, file, MiB, acc@1, acc@5
    ("alexnet_owt.torchvision-v1",        "alexnet-owt-7be5be79.pth",         "233.087", "56.522", "79.066"),
    ("vgg11.torchvision-v1",              "vgg11-8a719046.pth",               "506.84",  "69.02",  "88.628"),
    ("vgg13.torchvision-v1",              "vgg13-19584684.pth",               "507.545", "69.928", "89.246"),
    ("vgg16.torchvision-v1",              "vgg16-397923af.pth",               "527.796", "71.592", "90.382"),
    ("vgg19.torchvision-v1",              "vgg19-dcbb9e9d.pth",               "548.051", "72.376", "90.876"),
    ("resnet18.torchvision-v1",           "resnet18-f37072fd.pth",            "44.661",  "69.758", "89.078"),
    ("resnet34.torchvision-v1",           "resnet34-b627a593.pth",            "83.275",  "73.314", "91.42"),
    ("resnet50_v15.torchvision-v1",       "resnet50-0676ba61.pth",            "97.781",  "76.13",  "92.862"),
    ("resnet50_v15.torchvision-v2",       "resnet50-11ad3fa6.pth",            "97.79",   "80.858", "95.434", V2),
    ("resnet101_v15.torchvision-v1",      "resnet101-63fe2227.pth",           "170.511", "77.374", "93.546"),
    ("resnet101_v15.torchvision-v2",      "resnet101-cd907fc2.pth",           "170.53",  "81.886", "95.78", V2),
    ("resnet152_v15.torchvision-v1",      "resnet152-394f9c45.pth",           "230.434", "78.312", "94.046"),
    ("resnet152_v15.torchvision-v2",      "resnet152-f82ba261.pth",           "230.474", "82.284", "96.002", V2),
    ("googlenet_bn.torchvision-v1",       "googlenet-1378be20.pth",           "49.731",  "69.778", "89.53"),
    ("inception_v3_torch.torchvision-v1", "inception_v3_google-0cc3c7bd.pth", "103.903", "77.294", "93.45"),
    ("densenet121.torchvision-v1",        "densenet121-a639ec97.pth",         "30.845",  "74.434", "91.972"),
    ("densenet169.torchvision-v1",        "densenet169-b2777c0a.pth",         "54.708",  "75.6",   "92.806"),
    ("densenet201.torchvision-v1",        "densenet201-c1103571.pth",         "77.373",  "76.896", "93.37"),
    ("mobilenet_v2_torch.torchvision-v1", "mobilenet_v2-b0353104.pth",        "13.555",  "71.878", "90.286"),
    ("mobilenet_v2_torch.torchvision-v2", "mobilenet_v2-7ebf99e0.pth",        "13.598",  "72.154", "90.822", V2),
    ("squeezenet_1_0.torchvision-v1",     "squeezenet1_0-b66bff10.pth",       "4.778",   "58.092", "80.42"),
    ("squeezenet_1_1.torchvision-v1",     "squeezenet1_1-b8a52dc0.pth",       "4.729",   "58.178", "80.624"),
))
# fmt: on
