"""Write docs/checks.md and the schema of a report; with ``--check``, only say whether that would change them.

The page is what ``initium explain`` says of every check, from the docstrings of their files. The schema is made of the records;
it lies in the package, and in docs for whoever reads the repository.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from report_schema import report_schema

from initium.diagnose import CHECKS, Explanation, explained

ROOT = Path(__file__).parents[1]
SCHEMAS = ("docs", "src/initium/report")
NOTICE = "<!-- Written by `make docs` from the docstrings of the checks: change those. -->"
HEAD = """# The checks

What `initium diagnose` looks for, cause before symptom; `initium explain CODE` says the same in a terminal. A network that was
made as its architecture wants it, and looks ill to a ruler, is in the paragraph *Not a fault*."""


def page() -> str:
    """The page of all checks."""
    told = [explained(code) for code in CHECKS]
    shared = dict(pair for each in told for pair in each.shared)
    parts = [NOTICE, HEAD, "\n".join(f"- [`{each.code}`](#{each.code}): {each.what}" for each in told)]
    for each in told:
        parts += entry(each)
    for name, text in shared.items():
        parts += [f"## What {name} means above", text]
    return "\n\n".join(parts) + "\n"


def entry(told: Explanation) -> Iterator[str]:
    """A check."""
    yield f"## `{told.code}`"
    yield told.what[:1].upper() + told.what[1:]
    for title, text in (("Theory", told.theory), ("Limits", told.limits), ("Not a fault", told.not_a_fault)):
        yield f"**{title}.** {text}"
    if told.example:
        yield f"```pycon\n{told.example}\n```"


def main() -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file would change")
    check = parser.parse_args().check
    form = json.dumps(report_schema(), indent=2) + "\n"
    wanted = {ROOT / "docs" / "checks.md": page()} | {ROOT / each / "report.schema.json": form for each in SCHEMAS}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    names = ", ".join(path.name for path in stale)
    if check:
        print(
            f"stale, run `make docs`: {names}" if stale else "docs/checks.md and the schema of a report are up to date"
        )
        return int(bool(stale))
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    print(f"docs: {len(wanted)} files of the checks, {len(stale)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
