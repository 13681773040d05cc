"""Broken training scripts: the right line and cause stand among the first three findings; healthy ones alarm nobody.

The suite takes every sixth fault; ``FUZZ=1`` takes all.
"""

from __future__ import annotations

import os

import pytest
import torch
from diagnosis.zoo import FAULTS, TWINS, Fault, diagnosed, diagnosed_twin
from training_programs import HEALTHY, Program, Truth

import graphviz_ad as gad
from graphviz_ad._internal.diagnosis.findings import NOTE

WHOLE = bool(int(os.environ.get("FUZZ", "0")))
TAKEN = FAULTS if WHOLE else FAULTS[::6]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch", "ignore::UserWarning")


@pytest.mark.parametrize("fault", TAKEN, ids=lambda fault: fault.name)
def test_a_planted_fault_is_among_the_first_three_findings(fault: Fault) -> None:
    found = diagnosed(fault)
    assert fault.found_in(found.findings), str(found)


@pytest.mark.parametrize("arch", TWINS)
def test_a_healthy_script_alarms_nobody(arch: str) -> None:
    found = diagnosed_twin(arch)
    assert [one for one in found.findings if one.severity != NOTE] == [], str(found)
    assert found.ok


TRULY_DEAD = ("graph_network", "deep_set")  # by chance of their small layers
PROGRAMS = [program for program in HEALTHY if program.__name__ not in TRULY_DEAD]


@pytest.mark.parametrize("program", PROGRAMS if WHOLE else PROGRAMS[::6], ids=lambda program: program.__name__)
def test_a_healthy_program_in_the_manner_of_public_examples_alarms_nobody(program: Program) -> None:
    torch.manual_seed(0)
    truth = Truth(HEALTHY[program]())
    with gad.record(truth.model) as recording:
        program(truth.model, truth, torch.rand(6, 4))
    found = recording.graph.diagnose()
    assert [one for one in found.findings if one.severity != NOTE] == [], str(found)


def test_there_are_sixty_faults_of_all_architectures() -> None:
    assert len(FAULTS) >= 60
    assert {fault.arch for fault in FAULTS} == set(TWINS)
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
