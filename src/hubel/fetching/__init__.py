"""Published files brought from the network, checked against what their publishers state of them, and kept."""

from hubel.fetching.cache import cache as cache
from hubel.fetching.cache import locked as locked
from hubel.fetching.mirrors import Patience as Patience
from hubel.fetching.mirrors import Unreached as Unreached
from hubel.fetching.mirrors import checked as checked
from hubel.fetching.mirrors import fetched as fetched
from hubel.fetching.remote import Digest as Digest
from hubel.fetching.remote import Remote as Remote
from hubel.fetching.remote import Told as Told
from hubel.fetching.remote import digests as digests
