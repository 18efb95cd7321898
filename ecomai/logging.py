"""Structured logs: JSON in production, readable in development, and no personal data in either."""

import logging
import re

import structlog

MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
SECRET = re.compile(r"\b(?:sk|pk)_[A-Za-z0-9_-]{8,}")
PHONE = re.compile(r"(?<![\w.])\+?\d[\d ()/-]{8,}\d(?![\w.])")
HIDDEN = {"password", "token", "authorization", "cookie", "secret", "key", "email", "phone", "ip", "user_agent"}


def mask(text: str) -> str:
    """Mail addresses, API keys and phone numbers of a text, masked."""
    return PHONE.sub("[phone]", SECRET.sub("[key]", MAIL.sub("[mail]", text)))


def without_personal_data(_logger, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Processor: drops hidden fields, masks what looks like a person's in the others, cuts query strings."""
    for name in list(event):
        if name.lower() in HIDDEN:
            event[name] = "[hidden]"
        elif isinstance(event[name], str) and name not in ("timestamp", "level", "logger", "request_id"):
            value = event[name].partition("?")[0] if name == "request" else event[name]
            event[name] = mask(value)
    return event


def configure(format: str, level: str) -> dict:
    """Django's LOGGING dict; sets structlog up as well. `format` is json or console."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        without_personal_data,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                "foreign_pre_chain": shared,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.server": {"handlers": ["stderr"], "propagate": False},
            "httpx": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
        },
    }
