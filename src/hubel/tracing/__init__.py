"""Any torch module sized by running it on tensors without values; torch's own counts reconciled with Hubel's; peak memory."""

from hubel.tracing.peak import peak_bytes
from hubel.tracing.reconciling import Reconciliation, Term, reconciled
from hubel.tracing.report import Row, Traced, Unknown
from hubel.tracing.sizing import traced

__all__ = ["Reconciliation", "Row", "Term", "Traced", "Unknown", "peak_bytes", "reconciled", "traced"]
