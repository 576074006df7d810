"""Networks that are no expressions: any torch module trains in the same loop, and its file is used with its class alone."""

import json
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import peers
from hubel import load, weights
from hubel.cli import main
from hubel.errors import ModelError, RunError
from hubel.foreign import name_of
from hubel.training import run, setup
from hubel.training.lanes import splittable
from hubel.training.loop import begins_with_convolution
from hubel.training.records import Finished, Step
from runs import RECIPE, drawings, ended, folder, source, train


class Small(nn.Module):
    """As people write them: view() on maps, dropout as a function, batch norm, weights that two layers share, and some that are fixed."""

    def __init__(self, classes=3):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.twin = nn.Conv2d(4, 4, 3, padding=1)
        self.twin.weight = self.again.weight
        self.fc = nn.Linear(64, classes)
        self.fixed = nn.Parameter(torch.ones(1), requires_grad=False)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.seen += len(x)
        maps = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        maps = F.dropout(self.twin(self.again(maps)), 0.2, self.training)
        return self.fc(maps.view(-1, 64)) * self.fixed


def small(seed=0, kind=Small):
    torch.manual_seed(seed)
    return kind()


# --- training -----------------------------------------------------------------------------------------------------------


def test_a_module_of_ones_own_learns_from_the_weights_that_it_has_and_stays_as_it_is():
    module = small()
    before = weights.digest(module.state_dict())
    recipe = replace(RECIPE, epochs=24, shift=0.0, flip=False, lr=0.01)
    *_, finished = train(net=module, recipe=recipe)
    assert finished.model.results["validation_accuracy"] > 0.9
    assert weights.digest(module.state_dict()) == before and module.seen == 0
    assert weights.digest(finished.model.network.state_dict()) != before
    still = replace(RECIPE, epochs=1, lr=1e-30, momentum=0.0, weight_decay=0.0)
    begun = list(train(net=module, recipe=still))[-1].model.network
    assert torch.equal(begun.fc.weight, module.fc.weight) and begun.seen == 72


def test_a_run_of_a_module_left_anywhere_ends_in_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "SAVE_EVERY", 0.0)
    recipe = replace(RECIPE, ema=0.9)
    list(train(tmp_path / "whole", net=small(), recipe=recipe))
    for left_after in (1, 7):
        out = tmp_path / f"left-{left_after}"
        going = train(out, net=small(), recipe=recipe)
        for taken, _ in enumerate(record for record in going if isinstance(record, Step)):
            if taken + 1 == left_after:
                going.close()
        assert isinstance(list(train(out, net=small(), recipe=recipe))[-1], Finished)
        assert ended(out) == ended(tmp_path / "whole")


class Other(Small):
    """The same tensors, computed otherwise."""


def test_a_run_is_not_gone_on_with_by_another_class_other_layers_or_other_weights(tmp_path):
    list(train(tmp_path, net=small()))
    said = json.loads((tmp_path / "recipe.json").read_text())
    assert said["net"] == name_of(small()) == "test_foreign:Small" and said["network"] == "Small"
    narrower = small()
    narrower.norm = nn.GroupNorm(2, 4)
    for net, words in (
        (small(kind=Other), "the network is another one"),
        (narrower, "the network has other layers"),
        (small(seed=1), "begins with other weights.*manual_seed"),
        ("Conv(4, 3) >> FC(3)", "the network is another one"),
    ):
        with pytest.raises(RunError, match=f"{words}.*--out"):
            next(train(tmp_path, net=net))


def test_parts_of_a_batch_are_not_computed_apart_where_nobody_knows_what_a_module_does():
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    assert not splittable(plain)
    with pytest.raises(RunError, match="lanes=2.*no expression"):
        next(train(net=plain, recipe=replace(RECIPE, lanes=2)))
    assert next(train(net=plain, recipe=replace(RECIPE, threads=0, lanes=0, precision="auto"))).recipe.lanes == 1


def test_only_what_surely_begins_with_a_convolution_gets_rounded_pictures():
    class Scaled(nn.Sequential):
        def forward(self, x):
            return super().forward(x * 1.7)

    layers = nn.Conv2d(1, 2, 3), nn.Flatten()
    assert begins_with_convolution(nn.Sequential(nn.Sequential(*layers))) and not begins_with_convolution(Scaled(*layers))


@pytest.mark.parametrize("name", ["mobilenet_v3_small", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_any_means_any_torchvisions_too(tmp_path, name):
    torch.manual_seed(0)
    module = getattr(peers.torchvision_models(), name)(num_classes=3)
    recipe = replace(RECIPE, epochs=1, batch=8)
    *_, finished = run.train(module, source(count=20), recipe, tmp_path, input=(3, 32, 32))
    found = load(tmp_path, module)
    assert name_of(found.network) == name_of(module)
    picture = drawings()[0][0]
    assert found.predict(picture).ranked == finished.model.predict(picture).ranked


# --- what cannot be trained ---------------------------------------------------------------------------------------------


class Gives(nn.Module):
    """Gives what it is told to."""

    def __init__(self, answer):
        super().__init__()
        self.fc, self.answer = nn.Linear(64, 3), answer

    def forward(self, x):
        return self.answer(self, self.fc(x.flatten(1)))


class Unlike(nn.Linear):
    def get_extra_state(self):
        return {"steps": 3}

    def set_extra_state(self, state):
        pass


def frozen():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).requires_grad_(False)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Gives(lambda self, x: x[:, :2]), r"Gives gives \(2, 2\).*3 classes"),
        (lambda: Gives(lambda self, x: x.argmax(1)), r"gives \(2,\)"),
        (lambda: Gives(lambda self, x: (x, x)), "gives a tuple in evaluation.*scores alone"),
        (lambda: Gives(lambda self, x: {"logits": x}), "gives a dict"),
        (lambda: Gives(lambda self, x: (x, x) if self.training else x), "gives a tuple in training"),
        (lambda: Gives(lambda self, x: x.detach()), "no gradient"),
        (lambda: Gives(lambda self, x: 1 // 0), "does not take pictures of 1x8x8.*ZeroDivisionError"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), "does not take pictures of 1x8x8"),
        (lambda: nn.Flatten(), "no weights to train"),
        (frozen, "no weights to train"),
        (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), "lazy"),
        (lambda: nn.Sequential(nn.Flatten(), Unlike(64, 3)), "'1._extra_state'.*only tensors"),
    ],
)
def test_a_module_that_gives_no_scores_is_refused_in_a_sentence(make, words):
    with pytest.raises(ModelError, match=words) as caught:
        next(train(net=make()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("net", [Small, torch.zeros(3), None])
def test_what_is_no_network_is_refused(net):
    with pytest.raises(RunError, match=f"A {type(net).__name__} came.*not its class"):
        next(train(net=net))


def test_a_module_is_not_initialised_by_a_recipe():
    with pytest.raises(RunError, match="initialisation='he'.*leave it out"):
        next(train(net=small(), recipe=replace(RECIPE, initialisation="he")))


def test_trying_a_module_out_changes_neither_its_statistics_nor_the_course_of_chance():
    torch.manual_seed(3)
    wanted = torch.rand(2)
    module = small()
    before = weights.digest(module.state_dict())
    torch.manual_seed(3)
    design = setup.designed(module, source(), (1, 8, 8))
    assert torch.equal(torch.rand(2), wanted)
    assert weights.digest(module.state_dict()) == before == weights.digest(design.net.state_dict())


# --- its file -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder, and the model that training gave."""
    place = tmp_path_factory.mktemp("trained")
    return place, list(train(place, net=small()))[-1].model


@pytest.mark.parametrize("module", [Small, small(5), lambda: Small(3)], ids=["a class", "an instance", "a function"])
def test_a_file_is_used_with_its_class_and_predicts_the_same(trained, module):
    found = load(trained[0], module)
    assert found.net == "test_foreign:Small" and not found.network.training
    assert found.predict(drawings()[0][0]).ranked == trained[1].predict(drawings()[0][0]).ranked
    assert weights.digest(found.network.state_dict()) == weights.digest(trained[1].network.state_dict())


def test_an_instance_that_is_given_keeps_its_own_weights(trained):
    module = small(5)
    load(trained[0], module)
    assert weights.digest(module.state_dict()) == weights.digest(small(5).state_dict())


def test_a_file_without_its_class_is_refused_by_name_though_python_could_import_it(trained):
    with pytest.raises(
        ModelError, match=r"model.safetensors holds the weights of Small from test_foreign.*module=Small.*--module test_foreign:Small"
    ):
        load(trained[0])


def test_nothing_that_a_file_names_is_imported(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit('a file had its way')")
    monkeypatch.syspath_prepend(tmp_path)
    *_, finished = train(net=small())
    finished.model.net = "trap:Small"
    finished.model.save(tmp_path / "model")
    for given in (None, Small):
        with pytest.raises(ModelError, match="trap"):
            load(tmp_path / "model", given)
    assert "trap" not in sys.modules


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Other, "is a test_foreign:Small; a test_foreign:Other came"),
        (lambda: Small(4), r"gives \(2, 4\).*3 classes"),
        (Gives, r"Gives\(\) makes no network.*answer"),
        (lambda: 3, "a int came"),
    ],
)
def test_a_file_is_not_used_with_another_network(trained, module, words):
    with pytest.raises(ModelError, match=words) as caught:
        load(trained[0], module)
    assert str(caught.value).startswith(str(trained[0]))


def test_other_layers_in_a_class_of_that_name_are_refused_by_the_tensor(trained):
    module = small()
    module.fc = nn.Sequential(nn.Linear(64, 3), nn.Linear(3, 3))
    with pytest.raises(ModelError, match=r"the tensor 'fc\.0\.bias' is missing"):
        load(trained[0], module)


def test_a_class_of_a_script_is_known_wherever_it_lies_now(tmp_path, trained):
    trained[1].net, was = "__main__:Small", trained[1].net
    trained[1].save(tmp_path / "model")
    trained[1].net = was
    assert load(tmp_path / "model", Small).classes == trained[1].classes
    with pytest.raises(ModelError, match="the script or notebook that trained it"):
        load(tmp_path / "model")
    with pytest.raises(ModelError, match="is a __main__:Small; a test_foreign:Other came"):
        load(tmp_path / "model", Other)


def test_a_module_is_neither_needed_nor_taken_for_an_expressions_file(tmp_path, trained):
    list(train(tmp_path))
    assert str(load(tmp_path).expression).startswith("Conv(4, 3")
    with pytest.raises(ModelError, match="loaded without a module"):
        load(tmp_path, Small)
    with pytest.raises(ModelError, match="test_foreign:Small, which is no expression"):
        trained[1].expression  # noqa: B018


def test_the_command_line_uses_such_a_file_with_the_class_that_it_is_told(tmp_path, trained, monkeypatch, capsys):
    pictures, path = folder(tmp_path / "pictures", 12), str(trained[0] / "model.safetensors")
    (tmp_path / "shop.py").write_text("from test_foreign import Small\n\ndef make():\n    return Small(3)\n\nnothing = 3\n")
    monkeypatch.chdir(tmp_path)

    def said(*words, status=0):
        assert main([words[0], path, str(pictures), *words[1:]]) == status
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return out, err

    assert "12 pictures, accuracy" in said("test", "--module", "test_foreign:Small")[0]
    found = json.loads(said("predict", "--module", "shop:make", "--json")[0])
    assert found[0]["probability"] == trained[1].predict(found[0]["picture"]).probability
    for words, message in (
        ((), "Small from test_foreign"),
        (("--module", "Small"), "such as mynets.small:SmallNet"),
        (("--module", "nowhere:Small"), "No module named 'nowhere'"),
        (("--module", "shop:Small.far"), "no attribute 'far'"),
        (("--module", "shop:nothing"), "is a int; a class"),
        (("--module", "test_foreign:Other"), "a test_foreign:Other came"),
    ):
        assert message in said("predict", *words, status=2)[1]
