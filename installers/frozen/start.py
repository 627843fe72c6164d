"""Where the frozen program begins: the one executable of every role (`cadviewer.__main__`)."""

import sys

from cadviewer.__main__ import main

sys.exit(main())
