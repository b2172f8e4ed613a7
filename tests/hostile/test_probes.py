"""Every hostile function is held, cold and warm, and the machine around it is as before."""

import pytest
from catalogue import CATEGORIES, Probe, probes


@pytest.mark.parametrize("probe", probes(), ids=lambda probe: probe.name)
def test_a_hostile_function_is_held(attacked, probe: Probe):
    verdict = attacked.attack(probe)

    assert verdict.cold == []
    assert not verdict.warm


def test_the_catalogue_is_complete():
    assert sorted({probe.number for probe in probes()}) == list(range(1, 51))
    assert {probe.category for probe in probes()} == set(CATEGORIES.values())
