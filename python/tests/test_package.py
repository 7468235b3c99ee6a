"""The package itself: its types, and its example."""

import ast
import inspect
import pathlib
import subprocess
import sys

import pytest

import ekvsnap

PACKAGE = pathlib.Path(ekvsnap.__file__).parent


def names(body):
    found = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("__") or name == "__version__" or name in ("__iter__", "__arrow_c_stream__")}


def public(owner):
    special = ("__iter__", "__arrow_c_stream__")
    return {name for name in vars(owner) if not name.startswith("_") or name in special}


def test_types_are_those_of_the_module():
    assert (PACKAGE / "py.typed").is_file()
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text())
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    told = {name.asname for node in stub.body if isinstance(node, ast.ImportFrom) for name in node.names if name.asname}
    assert names(stub.body) | told == set(ekvsnap.__all__)
    for name, node in classes.items():
        runtime = getattr(ekvsnap, name)
        assert names(node.body) == public(runtime), name
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and not method.decorator_list and not method.name.startswith("__"):
                parameters = list(inspect.signature(getattr(runtime, method.name)).parameters)
                arguments = method.args.args + method.args.kwonlyargs
                assert parameters == [argument.arg for argument in arguments], (name, method.name)
    errors = ast.parse((PACKAGE / "_errors.pyi").read_text())
    assert {node.name for node in errors.body if isinstance(node, ast.ClassDef)} == told


@pytest.mark.parametrize("name", ["redis-small", "redis-nasty", "dynamodb-small", "s3-small", "sqs-small", "fs-small"])
def test_example(corpus, name):
    example = pathlib.Path(__file__).resolve().parents[1] / "examples" / "report.py"
    ran = subprocess.run([sys.executable, example, corpus(name) / "snapshot.fsm"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    expected = {"redis": "hash", "dynamodb": "with all types", "s3": "application/octet-stream", "sqs": "recvcount 1 messages", "fs": "docs"}
    assert expected[name.split("-")[0]] in ran.stdout
