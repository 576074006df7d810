"""Hypothesis strategies: arbitrary expressions, and networks that fit the shape they come with."""

import keyword

from hypothesis import strategies as st

from hubel import layers as L
from hubel.joints import TAKEN, Chain, Concat, Head, Sum

counts = st.integers(1, 9) | st.sampled_from([64, 4096, 10**9])
sizes = st.integers(1, 7) | st.tuples(st.integers(1, 7), st.integers(1, 7))
edges = st.integers(0, 3)
pads = edges | st.tuples(edges, edges) | st.tuples(st.tuples(edges, edges), st.tuples(edges, edges))
fits = st.sampled_from(["exact", "floor", "ceil"])
conv_fits = st.sampled_from(["exact", "floor"])
shares = st.floats(0, 1)
input_lists = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True), min_size=1, max_size=4)
stage_names = st.sampled_from("conv1 C3 fc8 conv2_x inception_3a OUTPUT".split()) | st.text("abXY_09éλ", min_size=1, max_size=6).filter(
    lambda name: name.isidentifier() and not keyword.iskeyword(name) and name[0] != "_" and name not in TAKEN
)


@st.composite
def pools(draw, kind):
    size = draw(sizes)
    down, across = size if isinstance(size, tuple) else (size, size)
    some = {"pad": (draw(st.integers(0, down // 2)), draw(st.integers(0, across // 2))), "stride": draw(sizes), "fit": draw(fits)}
    if kind is L.AvgPool:
        some["count_pad"] = draw(st.booleans())
    return kind(size, **{name: value for name, value in some.items() if draw(st.booleans())})


@st.composite
def code_books(draw):
    length = draw(st.integers(1, 6))
    return tuple(draw(st.lists(st.text("#.", min_size=length, max_size=length), min_size=1, max_size=3)))


def layer(kind, *required, **optional):
    return st.builds(lambda given, said: kind(*given, **said), st.tuples(*required), st.fixed_dictionaries({}, optional=optional))


WINDOW = {"stride": sizes, "pad": pads, "bias": st.booleans(), "fit": conv_fits}
PLAIN = (L.GlobalAvgPool, L.Identity, L.Flatten, L.ReLU, L.ReLU6, L.Tanh, L.Sigmoid, L.ScaledTanh, L.Softmax)
LAYERS = {
    L.Conv: st.tuples(st.integers(1, 4), counts).flatmap(
        lambda some: layer(L.Conv, st.just(some[0] * min(some[1], 10**8)), sizes, **WINDOW, groups=st.just(some[0]), dilation=sizes)
    ),
    L.Depthwise: layer(L.Depthwise, sizes, **WINDOW, multiplier=counts),
    L.ConnectedConv: layer(L.ConnectedConv, input_lists, sizes, **WINDOW),
    L.Local: layer(L.Local, counts, sizes, **WINDOW),
    L.MaxPool: pools(L.MaxPool),
    L.AvgPool: pools(L.AvgPool),
    L.L2Pool: pools(L.L2Pool),
    L.AdaptiveAvgPool: layer(L.AdaptiveAvgPool, sizes),
    L.Subsample: layer(L.Subsample, sizes),
    L.FC: layer(L.FC, counts, bias=st.booleans()),
    L.RBF: layer(L.RBF, code_books()),
    L.PadMaps: layer(L.PadMaps, counts, stride=sizes),
    L.Scale: layer(L.Scale, st.floats(-1e9, 1e9) | st.integers(-9, 9)),
    L.LRN: layer(
        L.LRN, n=st.sampled_from([1, 3, 5, 9]), k=st.floats(0, 1e9), alpha=st.floats(0, 1e9), beta=st.floats(0, 1e9), groups=counts
    ),
    L.BatchNorm: layer(L.BatchNorm, eps=shares, momentum=shares),
    L.Dropout: layer(L.Dropout, rate=st.floats(0, 0.999)),
    **{kind: st.just(kind()) for kind in PLAIN},
}
"""A strategy for every class of layer."""

any_layer = st.one_of(*LAYERS.values())


def joined(parts):
    return st.one_of(
        st.lists(parts, min_size=1, max_size=4).map(lambda some: Chain(*some)),
        st.dictionaries(stage_names, parts, min_size=1, max_size=4).map(lambda some: Chain(**some)),
        st.lists(parts, min_size=2, max_size=3).map(lambda some: Sum(*some)),
        st.lists(parts, min_size=2, max_size=3).map(lambda some: Concat(*some)),
        st.tuples(parts, st.integers(1, 4)).map(lambda some: some[0] * some[1]),
        parts.map(lambda part: Chain(Chain(part))),
        st.tuples(parts, parts).map(lambda some: some[0] >> some[1]),
        st.tuples(parts, parts).map(lambda some: some[0] + some[1]),
        st.tuples(parts, parts).map(lambda some: some[0] | some[1]),
    )


parts = st.recursive(any_layer, joined, max_leaves=10)


@st.composite
def expressions(draw):
    """Anything that can be written; a Head, if there is one, is a top-level stage."""
    net = draw(parts)
    if draw(st.integers(0, 4)):
        return net
    weight = draw(st.floats(1e-6, 1e6) | st.integers(1, 9))
    head = Head(draw(parts), weight)
    return draw(st.sampled_from([Chain(net, head), head >> net, Chain(body=net, aux=head, last=L.FC(2)), Chain(head), head]))


# --- networks that fit ----------------------------------------------------------------------------------------------

odd = st.sampled_from([1, 3, 5])
few = st.integers(1, 4)
steady = st.one_of(
    st.sampled_from([L.ReLU(), L.BatchNorm(), L.LRN(3), L.Dropout(), L.Identity(), L.Tanh(), L.Scale(0.5), L.MaxPool(3, 1, pad=1)]),
    st.builds(lambda maps, down, across: L.Conv(maps, (down, across), pad=(down // 2, across // 2)), few, odd, odd),
    st.builds(lambda maps, apart: L.Conv(maps, 3, pad=apart, dilation=apart, bias=False), few, st.integers(1, 3)),
    st.builds(lambda size, times: L.Depthwise(size, pad=size // 2, multiplier=times), odd, st.integers(1, 2)),
    st.builds(lambda maps, size: L.Local(maps, size, pad=size // 2), few, odd),
)
"""Parts that keep height and width."""


@st.composite
def shrinking(draw, shape):
    """A window that need not fit, no larger than the maps."""
    size = (draw(st.integers(1, min(3, shape[1]))), draw(st.integers(1, min(3, shape[2]))))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    uneven = ((draw(edges), draw(edges)), (draw(edges), draw(edges)))
    half = (draw(st.integers(0, size[0] // 2)), draw(st.integers(0, size[1] // 2)))
    return draw(
        st.sampled_from(
            [
                L.Conv(draw(few), size, stride=stride, pad=uneven, fit="floor"),
                L.MaxPool(size, stride, pad=half, fit="ceil"),
                L.AvgPool(size, stride, pad=half, fit="floor"),
                L.PadMaps(shape[0] + draw(few), stride=stride),
            ]
        )
    )


@st.composite
def branch(draw, maps, stride):
    """From any maps to `maps` maps, smaller by `stride`."""
    size = draw(odd if stride == 1 else st.sampled_from([1, 3]))
    last = L.Conv(maps, size, stride=stride, pad=size // 2)
    return draw(st.sampled_from([last, Chain(*draw(st.lists(steady, min_size=1, max_size=2)), last), L.MaxPool(3, 1, pad=1) >> last]))


@st.composite
def step(draw, shape):
    kind, maps, stride = (
        draw(st.sampled_from("steady steady shrink sum concat residual nested".split())),
        draw(few),
        draw(st.integers(1, 2)),
    )
    if kind == "shrink":
        return draw(shrinking(shape))
    if kind == "sum":
        return Sum(draw(branch(maps, stride)), draw(branch(maps, stride)))
    if kind == "concat":
        return Concat(*draw(st.lists(st.integers(1, 4).flatmap(lambda some: branch(some, stride)), min_size=2, max_size=3)))
    if kind == "residual":
        return Sum(draw(branch(shape[0], 1)), L.Identity())
    part = draw(steady)
    return Chain(part, L.ReLU()) if kind == "nested" else part


@st.composite
def fitting_networks(draw, tail=True):
    """(network, shape): a network that takes `shape`, with branches, ending in maps or, with `tail`, perhaps in scores."""
    shape = (draw(few), draw(st.integers(3, 12)), draw(st.integers(3, 12)))
    steps, now = [], shape
    for _ in range(draw(st.integers(1, 5))):
        steps.append(draw(step(now)))
        now = steps[-1].output(now)
    if tail:
        ends = [(), (L.GlobalAvgPool(),), (L.Flatten(), L.FC(3)), (L.FC(2) | L.FC(3),), (L.Subsample(1), L.FC(3) + L.FC(3))]
        steps += draw(st.sampled_from(ends))
    named = {f"stage{number}": part for number, part in enumerate(steps)}
    return draw(st.sampled_from([Chain(*steps), Chain(**named)])), shape
