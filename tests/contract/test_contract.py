"""Functions written for AWS Lambda run unchanged."""

import shutil

import pytest

from contract_cases import ContractCase, contract_cases
from nanogrid import wire
from runtime_harness import NODE, PYTHON, loaded_runtime, needs_node, output_of

PARAMETERS = [
    pytest.param(case, id=case.name, marks=[needs_node] if case.language == "nodejs" else [])
    for case in contract_cases()
]


def outcome(result: wire.Result) -> dict:
    if result.error is None:
        return {"output": output_of(result)}
    return {"error": {name: getattr(result.error, name) for name in ("kind", "type", "message")}}


@pytest.mark.parametrize("case", PARAMETERS)
def test_a_function_written_for_lambda_runs_unchanged_cold_and_warm(case: ContractCase, tmp_path):
    code = shutil.copytree(case.folder, tmp_path / "code")
    with loaded_runtime(PYTHON if case.language == "python" else NODE, code, case.handler) as runtime:
        cold, warm = runtime.invoke(case.event), runtime.invoke(case.event)

    assert outcome(cold) == outcome(warm) == case.expected


def test_there_are_at_least_twenty_of_them_three_in_node():
    languages = [case.language for case in contract_cases()]

    assert len(languages) >= 20
    assert languages.count("nodejs") >= 3
