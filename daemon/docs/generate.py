"""Write what is made of the manual: `make manual`. With --check only say which files are not as they should be.

The code is the source: METHODS, FILTERS, the settings, and the options of the programs. A test holds all in step.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docs import man_pages, topics

PROJECT = Path(__file__).parents[2]
TOPICS = PROJECT / "daemon" / "phsearch" / "manual"
MAN = PROJECT / "man"
PAGES = ("phsearch-client.1", "phsearchd.1", "phsearch-config.5")


def made_files() -> dict[Path, str]:
    """Return the text that each file with a made part should have."""
    example = (PROJECT / "config.example.toml").read_text(encoding="utf-8")
    made = {file: topics.render(file.read_text(encoding="utf-8"), example) for file in sorted(TOPICS.glob("*.md"))}
    return made | {MAN / f"man{page[-1]}" / page: man_pages.render(page, example) for page in PAGES}


def main(args: list[str]) -> int:
    """Write the files that differ, or only name them. Return 1 if --check found any."""
    stale = [
        (file, text)
        for file, text in made_files().items()
        if not file.exists() or file.read_text(encoding="utf-8") != text
    ]
    check = "--check" in args
    for file, text in stale:
        print(f"{'stale' if check else 'written'}: {file.relative_to(PROJECT)}")
        if not check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
