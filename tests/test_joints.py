"""The joints: what is spliced, what stays whole, what is refused; expressions are values."""

import copy
import pickle

import pytest
from hypothesis import given, settings

from expressions import expressions, parts
from hubel.anatomy import anatomy
from hubel.errors import HubelError, LayerError, ShapeError
from hubel.joints import DEEPEST, MOST_LAYERS, TAKEN, Chain, Concat, Head, Sum
from hubel.layers import FC, Conv, Identity, MaxPool, ReLU, Sigmoid, Tanh

a, b, c = Conv(4, 3, pad=1), ReLU(), Tanh()


def leaves(kind, part):
    """What an operator makes of one side."""
    return part.parts if isinstance(part, kind) and part.names is None else (part,)


@settings(deadline=None, max_examples=60)
@given(parts, parts, parts)
def test_every_operator_is_associative_and_splices_both_sides(one, two, three):
    assert (one >> two) >> three == one >> (two >> three)
    assert (one + two) + three == one + (two + three) == Sum(one, two, three)
    assert (one | two) | three == one | (two | three) == Concat(one, two, three)
    assert (one >> two).parts == leaves(Chain, one) + leaves(Chain, two)
    assert (one + two).parts == leaves(Sum, one) + leaves(Sum, two)
    assert (one | two).parts == leaves(Concat, one) + leaves(Concat, two)


def test_constructors_of_sum_and_concat_splice_their_own_kind_alone():
    assert Sum(a + b, c).parts == (a, b, c)
    assert Concat(a | b, c).parts == (a, b, c)
    assert Sum(a | b, c).parts == (Concat(a, b), c)
    assert Concat(a >> b, c).parts == (Chain(a, b), c)


def test_chain_constructor_and_repeat_keep_each_part_whole():
    assert Chain(a >> b, c).parts == (Chain(a, b), c)
    assert Chain(Chain(a)).parts == (Chain(a),)
    assert ((a >> b) * 2).parts == (Chain(a, b), Chain(a, b))
    assert (a * 1).parts == (a,)
    assert (a * 2 * 2).parts == (Chain(a, a), Chain(a, a))
    assert (c >> a * 2 >> b).parts == (c, a, a, b)


def test_named_chain_is_never_spliced():
    stages = Chain(stem=a, body=b)
    assert (stages >> c).parts == (stages, c)
    assert (c >> stages).parts == (c, stages)
    assert [name for name, _ in stages.children()] == ["stem", "body"]
    assert [name for name, _ in (stages >> c).children()] == ["0", "1"]


def test_operators_bind_sum_then_chain_then_concat():
    assert (a >> b + c) == Chain(a, Sum(b, c))
    assert (a >> b * 3) == Chain(a, b, b, b)
    assert (a | b >> c) == Concat(a, Chain(b, c))
    assert (a + b | c) == Concat(Sum(a, b), c)
    module = a | b >> c | b >> c >> a | MaxPool(3, 1, pad=1) >> a
    assert [len(leaves(Chain, part)) for part in module.parts] == [1, 2, 3, 2]


@pytest.mark.parametrize("join", [Sum, Concat, Chain])
@pytest.mark.parametrize("other", [3, None, "ReLU()", ReLU, [ReLU()]])
def test_what_is_no_expression_is_no_part(join, other):
    with pytest.raises(LayerError, match=f"^{join.__name__} was given"):
        join(a, other)
    for operate in ("__rshift__", "__add__", "__or__"):
        assert getattr(a, operate)(other) is NotImplemented


def test_joints_of_too_few_parts_are_refused():
    for join in (Sum, Concat):
        for few in ((), (a,)):
            with pytest.raises(LayerError, match=f"{join.__name__} needs two parts or more; it was given {len(few)}"):
                join(*few)
    with pytest.raises(LayerError, match="at least one part"):
        Chain()


def test_chain_of_named_and_unnamed_parts_is_refused():
    with pytest.raises(LayerError, match="not both"):
        Chain(a, last=b)


@pytest.mark.parametrize("times", [0, -1])
def test_repeat_of_less_than_once_is_refused(times):
    with pytest.raises(LayerError, match=f"repeated {times} times"):
        a * times


@pytest.mark.parametrize("times", [2.0, True, "2", None, a])
def test_repeat_by_what_is_no_whole_number_is_no_operation(times):
    with pytest.raises(TypeError):
        a * times


def test_expressions_cannot_be_changed():
    for net in (a, a >> b, Chain(x=a), a + b, a | b, Head(a, 0.3)):
        for name in [*vars(net), "other"]:
            with pytest.raises(AttributeError):
                setattr(net, name, 1)


def test_expressions_cannot_lose_what_they_hold():
    for net in (a, a >> b, Chain(x=a), a + b, a | b, Head(a, 0.3)):
        for name in [*vars(net)]:
            with pytest.raises(AttributeError):
                delattr(net, name)


def test_equal_means_same_kind_same_parts_same_names():
    different = [
        a,
        Chain(a),
        Chain(a, b),
        Chain(b, a),
        Chain(x=a, y=b),
        Chain(x=a, z=b),
        a + b,
        a | b,
        Head(a, 1),
        Head(a, 2),
        Chain(Chain(a)),
    ]
    assert len(set(different)) == len(different)
    for one in different:
        assert [one == other for other in different].count(True) == 1
    assert Chain(Conv(6, 5), ReLU()) == Conv(6, 5) >> ReLU()
    assert hash(Chain(Conv(6, 5), ReLU())) == hash(Conv(6, 5) >> ReLU())
    assert a != "Conv(4, 3, pad=1)"


@settings(deadline=None, max_examples=80)
@given(expressions())
def test_pickled_and_copied_expressions_are_equal_and_hash_alike(net):
    for again in (pickle.loads(pickle.dumps(net)), copy.copy(net), copy.deepcopy(net)):
        assert again == net
        assert hash(again) == hash(net)
        assert repr(again) == repr(net)
        assert (again.depth, again.layers) == (net.depth, net.layers)


@pytest.mark.parametrize(
    "name", ["class", "None", "lambda", "forward", "train", "T_destination", "_x", "__class__", "", "1a", "a b", "a-b", "a.b"]
)
def test_stage_names_that_would_break_a_module_or_the_text_are_refused(name):
    with pytest.raises(LayerError, match="cannot name a stage"):
        Chain(**{name: a})


@pytest.mark.parametrize("name", ["conv1", "C1", "inception_3a", "conv2_x", "match", "état"])
def test_other_identifiers_name_stages(name):
    assert Chain(**{name: a}).names == (name,)


def test_a_parameters_name_can_name_a_stage():
    stages = {"self": a, "parts": b}
    assert Chain(**stages).names == ("self", "parts")


def test_taken_names_are_all_that_sequential_has():
    from torch.nn import Sequential

    assert {name for name in dir(Sequential()) if not name.startswith("_")} <= TAKEN


def test_joints_nest_to_a_limit():
    net = ReLU()
    for _ in range(DEEPEST):
        net = Chain(net)
    assert net.depth == DEEPEST
    for join in (Chain, lambda part: Sum(part, a), lambda part: Concat(part, a), lambda part: Head(part, 1), lambda part: part * 2):
        with pytest.raises(LayerError, match=f"{DEEPEST + 1} joints deep"):
            join(net)


def test_layers_are_limited_with_repeats_counted():
    full = a * 1000 * (MOST_LAYERS // 1000)
    assert full.layers == MOST_LAYERS
    with pytest.raises(LayerError, match=f"{MOST_LAYERS + 1:,} layers"):
        full >> b
    with pytest.raises(LayerError, match="layers"):
        full * 2


def test_huge_repeat_is_refused_before_it_is_made():
    with pytest.raises(LayerError, match="layers"):
        a * 10**18


@pytest.mark.parametrize("weight", [0, -0.3, float("inf"), float("nan"), "0.3", True, None])
def test_head_of_no_positive_weight_is_refused(weight):
    with pytest.raises(LayerError, match=r"^Head: weight"):
        Head(FC(10), weight)


def test_head_of_no_network_is_refused():
    with pytest.raises(LayerError, match=r"^Head was given 3"):
        Head(3, 0.3)


@pytest.mark.parametrize(
    "net",
    [Chain(x=Chain(Head(FC(2), 1), b)), Head(FC(2), 1) + b, b | Head(FC(2), 1) >> b, Chain(x=Head(Head(FC(2), 1) >> b, 1), y=b)],
    ids=repr,
)
def test_head_below_the_top_level_is_refused(net):
    with pytest.raises(HubelError, match="top-level stage"):
        anatomy(net, (3,), heads=True)


def test_head_passes_its_input_on_and_refuses_what_its_network_refuses():
    assert Head(Conv(8, 3) >> Sigmoid() >> FC(2), 0.3).output((1, 5, 5)) == (1, 5, 5)
    with pytest.raises(ShapeError, match=r"^aux\.0: a window of 9"):
        Chain(first=Identity(), aux=Head(Conv(8, 9), 1)).output((1, 5, 5))
