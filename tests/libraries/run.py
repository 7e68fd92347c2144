"""The clock beside other libraries, each in an environment of its own.

    python tests/libraries/run.py [LIBRARY ...]

Makes a virtual environment for each library (kept in the folder for temporary files), installs this
project, openai and the library, and runs the tests of when_imported.py, each in a process of its
own. Prints a table; the exit status is 1 if a test has failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = Path(tempfile.gettempdir()) / "fakebatch-libraries"
PIP = ["python3", "-m", "pip", "--quiet", "--disable-pip-version-check"]
LIBRARIES = {
    "cryptography": ["cryptography", "pyjwt"],
    "pandas": ["pandas"],
    "polars": ["polars"],
    "pydantic": ["pydantic"],
    "sqlalchemy": ["sqlalchemy"],
    "django": ["django"],
    "anthropic": ["anthropic"],
    "instructor": ["instructor>=1.10"],
    "litellm": ["litellm"],
    "langchain-openai": ["langchain-openai"],
    "openai-agents": ["openai-agents"],
    "mcp": ["mcp>=2"],
    "pynacl": ["pynacl"],
    "argon2": ["argon2-cffi"],
}
"""What to install, by the name of the module in `uses`."""
MOMENTS = ["before", "inside", "lazily"]


def main(libraries: list[str]) -> int:
    """Print the table of some libraries, or of all."""
    print(f"Python {sys.version.split()[0]}\n")
    print(f"{'library':18} {'version':12}" + "".join(f"{moment:10}" for moment in MOMENTS))
    failures: list[str] = []
    for library in libraries or LIBRARIES:
        python = install(library)
        results = {moment: test(python, library, moment) for moment in MOMENTS}
        cells = "".join(f"{'FAILED' if output else 'ok':10}" for output in results.values())
        print(f"{library:18} {version(python, library):12}{cells}", flush=True)
        failures += filter(None, results.values())
    print(*failures, sep="\n")
    return 1 if failures else 0


def install(library: str) -> Path:
    """The Python of an environment with the project as it is now, openai and a library."""
    folder = ENVIRONMENTS / f"{sys.version_info.major}.{sys.version_info.minor}-{library}"
    if not folder.exists():
        venv.create(folder, symlinks=os.name != "nt")
    pip = [*PIP, "--python", str(folder)]
    project = str(HERE.parents[1])
    subprocess.run([*pip, "install", project, "openai", *LIBRARIES[library]], check=True)  # noqa: S603
    again = ["install", "--no-deps", "--force-reinstall", project]
    subprocess.run([*pip, *again], check=True)  # noqa: S603
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def version(python: Path, library: str) -> str:
    """The installed version of a library."""
    package = LIBRARIES[library][0].partition(">")[0]
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.check_output([python, "-c", code], text=True).strip()  # noqa: S603


def test(python: Path, library: str, moment: str) -> str:
    """What pytest prints if a test fails, else nothing."""
    ended = subprocess.run(  # noqa: S603
        [python, "-m", "pytest", "-q", f"when_imported.py::test_{moment}"],
        cwd=HERE,
        env=os.environ | {"LIBRARY": f"with_{library.replace('-', '_')}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"== {library}, {moment}\n{ended.stdout}{ended.stderr}" if ended.returncode else ""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
