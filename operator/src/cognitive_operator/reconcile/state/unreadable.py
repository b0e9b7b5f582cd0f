"""Reports objects that this operator cannot parse, which an older CRD accepted."""

import logging

from pydantic import ValidationError

from cognitive_operator.api.validation import first_fault
from cognitive_operator.ports.kube import Body

logger = logging.getLogger(__name__)


def log_unreadable(body: Body, error: ValidationError) -> None:
    """Log an object with the first invalid field, without its value. The object's next version is read again."""
    meta = body["metadata"]
    extra = {"object": f"{meta['namespace']}/{meta['name']}", "cause": first_fault(error)}
    logger.warning("ignored an object", extra=extra)
