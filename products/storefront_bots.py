"""Known robots by the name they give: search engines, link previews, monitors, scripts. Others are the shop's to keep out."""

from functools import lru_cache

LONGEST = 500


@lru_cache(maxsize=8192)
def is_bot(agent: str) -> bool:
    """Whether a User-Agent is empty or on the list of crawler-user-agents (1,500 patterns)."""
    from crawleruseragents import is_crawler  # the list takes a tenth of a second to load

    return not agent.strip() or is_crawler(agent[:LONGEST])
