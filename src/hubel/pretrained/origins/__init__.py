"""The origins of published files: ORIGINS has each by its name."""

from hubel.errors import ModelError, choices
from hubel.pretrained.contents import Contents
from hubel.pretrained.origins import akamaster, andreasveit, caffe, gpleiss, keras, onnx_zoo, timm, torchvision
from hubel.pretrained.origins.origin import Origin as Origin
from hubel.pretrained.origins.origin import Trained as Trained

ORIGINS: dict[str, Origin] = {
    module.ORIGIN.name: module.ORIGIN for module in (akamaster, andreasveit, gpleiss, caffe, onnx_zoo, torchvision, timm, keras)
}
"""The first that a file looks like is taken for its own, so the more special stand first."""


def origin_of(contents: Contents, name: str | None = None) -> Origin:
    """Who made a file, as its layers are named; or the one of that `name`. Raises ModelError where none is known."""
    if name is not None:
        if name not in ORIGINS:
            raise ModelError(choices(name, ORIGINS, "origin"))
        return ORIGINS[name]
    for origin in ORIGINS.values():
        if origin.made(contents.format, contents.entries):
            return origin
    fitting = [name for name, origin in ORIGINS.items() if contents.format in origin.formats]
    named = contents.entries[0].name if contents.entries else "nothing"
    raise ModelError(
        f"{contents.path} is a {contents.format} file whose layers are named like nobody's that is known here (the first is {named!r}), so "
        f"how it reads pictures is not known either. Where you know who made it, say --origin: {', '.join(fitting) or 'none reads such files'}."
    )
