import sys

from hubel.cli import main

sys.exit(main())
