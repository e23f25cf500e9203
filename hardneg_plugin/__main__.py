"""``python -m hardneg_plugin`` is ``hardneg``."""

from hardneg_plugin.cli import main

main()
