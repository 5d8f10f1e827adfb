# `just` alone lists these; each line below is also what to type where `just` is not installed.

# List the targets.
default:
    @just --list

# Install the checkout in the active environment, with the developers' tools and the commit hooks.
setup:
    python -m pip install -e ".[dev]"
    pre-commit install

# Rewrite the code in the house format and fix what can be fixed by itself.
fmt:
    ruff format .
    ruff check --fix .

# Say what is not in the house format or breaks a lint rule.
lint:
    ruff format --check .
    ruff check .

# Check the types.
types:
    bash .ci/types

# Run the tests; `just test tests/motion -k smooth` runs some of them.
test *ARGS:
    pytest {{ARGS}}

# Run the tests in a real ComfyUI: COMFYUI_DIR is its checkout, COMFYUI_PYTHON a Python with its requirements.
test-comfy *ARGS:
    COMFYUI_DIR="${COMFYUI_DIR:?set it to a ComfyUI checkout}" pytest tests/comfy {{ARGS}}

# Measure: `just bench speed` against the naive loop, `just bench memory` over the length of a clip.
bench *ARGS:
    python -m benchmarks {{ARGS}}

# Build the wheel and the source archive into dist/ and try the wheel in an environment of its own.
wheel:
    bash .ci/wheel

# Do what CI does, in a fresh environment.
ci:
    bash .ci/run
