"""Structured logs."""


def configure(format: str, level: str) -> dict:
    return {"version": 1, "disable_existing_loggers": False, "root": {"level": level}}
