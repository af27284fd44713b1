"""Print the lines that README.md tells people to paste: the first `sh` block of its set-up, one line each."""

import re
import sys
from pathlib import Path

block = re.search(r"```sh\n(.*?)```", Path(sys.argv[1]).read_text(encoding="utf-8"), re.DOTALL)
print("\n".join(line for line in (block[1] if block else "").splitlines() if line.strip()))
