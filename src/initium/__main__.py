"""``python -m initium``."""

from initium.cli import main

main()
