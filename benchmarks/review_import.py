"""A file of 100,000 reviews imported and read by the model while the workers are killed with -9: is anything lost or doubled?

The file is made from a fixed seed: sentences of the house model's own rows in nine languages, mostly one to three a
review, 4 % long ones, 5 % stars alone; 2 % of its rows are exact copies of another row, 1 % can't be read. Default
worker, ml worker and beat run as the Procfile has them. The default worker is killed KILLS times during the import (the
first time its pool alone, as the kernel does when memory is short), the ml worker KILLS times while it reads, each time
somewhere within a chunk. A new one is started at once; `recover_jobs` has to bring the job back.

lost: reviews of the file that aren't there, and those with words that the live model has not judged. doubled: reviews,
judgements and issues beyond one. Both waiting times are part of the seconds: from a kill to the next chunk that was
written. reviews_per_second: judged reviews over scoring_seconds. Peaks are VmHWM of the largest process of a worker:
import_peak_mb until the import is through, default_peak_mb with the search for copies that follows it.
"""

import csv
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.core.files import File
from django.core.management import call_command
from django.test import override_settings

ROOT = Path(__file__).resolve().parent.parent
ROWS = int(os.environ.get("REVIEW_IMPORT_ROWS", 100_000))
KILLS = 3
PRODUCTS = 500
STALL = 300.0  # seconds without progress that mean it hangs
LANGUAGES = {"en": 40, "de": 12, "zh": 12, "es": 8, "fr": 8, "pt": 7, "id": 5, "ja": 5, "ko": 3}
HEADER = ["id", "product_sku", "title", "text", "rating", "date", "author", "email", "verified"]


# --- The file
@dataclass
class Made:
    """What stands in the file: ids of its reviews, of those with words, and how many rows are copies or bad."""

    reviews: set[str] = field(default_factory=set)
    worded: set[str] = field(default_factory=set)
    copies: int = 0
    bad: int = 0


def _sentences() -> dict[str, list[str]]:
    """Sentences of our own review rows by language; a platform's own words are none, and nothing reads them."""
    from reviews.flags import is_platform_text

    found: dict[str, dict[str, None]] = {language: {} for language in LANGUAGES}
    for file in sorted((ROOT / "ml" / "house" / "reviews" / "rows").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["language"] in found:
                parts = re.split(r"(?<=[.!?。！？])\s*(?=\S)", row["text"].strip())
                found[row["language"]].update(dict.fromkeys(p for p in parts if len(p) > 3 and not is_platform_text(p)))
    return {language: list(parts) for language, parts in found.items()}


def _row(number: int, rng: random.Random, sentences: dict[str, list[str]]) -> list[str]:
    language = rng.choices(list(LANGUAGES), list(LANGUAGES.values()))[0]
    count = rng.choices([0, 1, 2, 3, rng.randint(8, 20)], [5, 22, 42, 27, 4])[0]
    text = ("" if language in ("zh", "ja") else " ").join(rng.choice(sentences[language]) for _ in range(count))
    if count > 1 and rng.random() < 0.02:
        text += f" buyer{number}@example.com, +49 30 {rng.randrange(10**6, 10**7)}"
    title = rng.choice(sentences[language])[:60] if count and rng.random() < 0.3 else ""
    at = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(3 * 365 * 1440))
    buyer = rng.randrange(ROWS)
    stars = rng.choices("12345", [13, 7, 10, 20, 50])[0]
    return [f"R{number}", f"SKU-{int(PRODUCTS * rng.random() ** 2)}", title, text, stars, at.isoformat(), f"Buyer {buyer}",
            f"buyer{buyer}@example.com", rng.choice(["yes", "no", ""])]  # fmt: skip


def write_csv(path: Path, rows: int) -> Made:
    """Write the file; its rows lie mixed."""
    rng, sentences, made = random.Random(20261127), _sentences(), Made()
    recent: deque[list[str]] = deque(maxlen=20_000)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number in range(rows):
            row, chance = _row(number, rng, sentences), rng.random()
            if chance < 0.02 and recent:
                # Half of the copies stand near their original, in the same chunk; the others anywhere behind it.
                row = recent[-rng.randint(1, min(len(recent), 100 if chance < 0.01 else len(recent)))]
                made.copies += 1
            elif chance < 0.03:
                row = [
                    [*row[:4], "eleven", *row[5:]], [*row[:5], "45.13.2024", *row[6:]], [*row, "one", "cell", "more"],
                    [*row[:2], "", "", "", *row[5:]],
                ][number % 4]  # fmt: skip
                made.bad += 1
            else:
                made.reviews.add(row[0])
                if row[2] or row[3]:
                    made.worded.add(row[0])
                recent.append(row)
            writer.writerow(row)
    return made


# --- The workers
class Worker:
    """A worker as the Procfile starts it, in a session of its own; `peak_kib` is the VmHWM of its largest process yet."""

    def __init__(self, name: str, env: dict[str, str]) -> None:
        lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
        self.command = [sys.executable, "-m", *shlex.split(lines[name])]
        self.env, self.peak_kib = env, 0
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.env, start_new_session=True)

    def processes(self) -> list[int]:
        """Its process numbers, the first one's first."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                told = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdigit() else []
            except OSError:  # gone meanwhile
                continue
            if told and self.process and int(told[3]) == self.process.pid and told[0] != "Z":
                found.append(int(entry.name))
        return sorted(found, key=lambda pid: pid != self.process.pid)

    def measure(self) -> None:
        for pid in self.processes():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            if told := re.search(r"VmHWM:\s+(\d+)", status):
                self.peak_kib = max(self.peak_kib, int(told[1]))

    @property
    def peak_mb(self) -> float:
        self.measure()
        return round(self.peak_kib / 1024, 1)

    def kill(self, pool_only: bool = False) -> None:
        """kill -9: of all of it, and start it again; or of its pool's processes, which it has to replace itself."""
        self.measure()
        if pool_only and (pool := self.processes()[1:]):
            for pid in pool:
                os.kill(pid, signal.SIGKILL)
            return
        self.end()
        self.start()

    def end(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Let it finish what it does."""
        self.process.terminate()
        self.process.wait(1800)


def follow(
    worker: Worker, *, done: Callable[[], int], total: int, finished: Callable[[], bool], rng: random.Random, pool: bool
) -> tuple[float, float]:
    """Kill the worker each time another part of the work is done, until all is; (seconds, those between a kill and the
    next progress). With `pool`, the first kill takes only the pool."""
    started = moved = time.monotonic()
    killed_at, kills, have, waited = None, 0, 0, 0.0
    while not finished():
        reached, now = done(), time.monotonic()
        if reached > have:
            if killed_at is not None:
                waited, killed_at = waited + now - killed_at, None
            have, moved = reached, now
        if now - moved > STALL:
            raise RuntimeError(f"nothing moves behind {have} of {total}")
        if killed_at is None and kills < KILLS and reached >= total * (kills + 1) / (KILLS + 1):
            time.sleep(rng.uniform(0, 0.5))  # somewhere within a chunk
            worker.kill(pool_only=pool and not kills)
            killed_at, kills, have = time.monotonic(), kills + 1, done()
            print(f"  kill -9 number {kills} behind {have:,}", flush=True)
        time.sleep(0.1)
    if kills < KILLS:
        raise RuntimeError(f"the work was over after {kills} kills: it needs more rows")
    return time.monotonic() - started, waited


# --- The look afterwards
def _sums(store) -> dict:
    """Every cell of the dashboard's sums that isn't empty, by its key."""
    from reviews.models import CountedReview, ProductMonth, StoreDay

    found: dict = {row["review_id"]: row for row in CountedReview.objects.filter(store=store).values()}
    for model in (StoreDay, ProductMonth):
        for row in model.objects.filter(store=store).values():
            row.pop("id")
            keys = [name for name in ("day", "product_id", "month", "language", "source") if name in row]
            key = (model.__name__, *(row.pop(name) for name in keys))
            if any(any(v) if isinstance(v, list) else v for k, v in row.items() if k != "store_id"):
                found[key] = row
    return found


def compare(run, made: Made, rows: int) -> dict:
    """What is in the database against what stands in the file. Raises RuntimeError where the run's own counts are off."""
    from ml import registry
    from reviews import rebuild
    from reviews.models import Judgement, Review

    run.refresh_from_db()
    counts = run.counts
    again = counts["skipped"] + counts["unchanged"]
    told = (counts["rows"], counts["imported"] + counts["updated"] + again + counts["rejected"], counts["imported"],
            again, counts["rejected"], run.issues.filter(rejected=True).count())  # fmt: skip
    wanted = (rows, rows, len(made.reviews), made.copies, made.bad, made.bad)
    if told != wanted:
        raise RuntimeError(f"rows, all counts, imported, copies, rejected, issues: {told}, not {wanted}")
    store = run.store
    there = Counter(Review.objects.filter(store=store).values_list("source_id", flat=True))
    judgements = Judgement.objects.filter(store=store)
    judged = Counter(judgements.filter(model=registry.live("reviews")).values_list("review__source_id", flat=True))
    issues = Counter(run.issues.values_list("line", "code"))
    before = _sums(store)
    rebuild.rebuild(store)
    after = _sums(store)
    return {
        "lost": len(made.reviews - there.keys()) + len(made.worded - judged.keys()),
        "doubled": sum(n - 1 for found in (there, judged, issues) for n in found.values())
        + len(there.keys() - made.reviews) + judgements.count() - len(made.worded & judged.keys()),
        "sums_unlike_rebuild": sum(before.get(key) != after.get(key) for key in before.keys() | after.keys()),
        "imported": counts["imported"], "copies": again, "rejected": counts["rejected"], "judged": len(judged),
    }  # fmt: skip


def _start(path: Path):
    """A store with products; the file uploaded, confirmed, and its job sent."""
    from ecomai.models import Store, User
    from products.models import Product, Variant
    from reviews import import_views, review_import

    slug = f"review-import-{int(time.time())}"
    store = Store.objects.create(slug=slug, name="Bench", currency="EUR", locales=["en", "de", "zh"])
    user = User.objects.create_user(f"{slug}@example.com", "x")
    products = Product.objects.bulk_create(
        Product(store=store, title=f"Product {n}", handle=f"product-{n}", status="active") for n in range(PRODUCTS)
    )
    Variant.objects.bulk_create(
        Variant(store=store, product=made, sku=f"SKU-{n}", position=1) for n, made in enumerate(products)
    )
    with path.open("rb") as file:
        run = review_import.open_run(store=store, file=File(file), filename="reviews.csv", by=user)
    if open_ := review_import.questions(run):
        raise RuntimeError(f"the import asks for {open_}")
    review_import.confirm(run)
    import_views.start(run, user)
    return run


def run() -> dict:
    """Make the file, import it with its job, kill, wait, compare."""
    from django.conf import settings

    from ecomai.celery import app
    from ecomai.models import Job
    from reviews import review_import
    from reviews.models import Judgement, Review, ReviewImport

    if ROWS < 4 * review_import.CHUNK:
        raise SystemExit(f"REVIEW_IMPORT_ROWS: at least {4 * review_import.CHUNK}")
    call_command("migrate", verbosity=0)
    with override_settings(GENERATOR_BACKEND="none"):  # only the review model is needed
        call_command("prepare_models")
    rng = random.Random(5)
    with tempfile.TemporaryDirectory() as folder, override_settings(MEDIA_ROOT=folder):
        path = Path(folder) / "reviews.csv"
        made = write_csv(path, ROWS)
        print(f"  {ROWS:,} rows, {path.stat().st_size / 1e6:.1f} MB", flush=True)
        prefix = f"bench-{os.getpid()}-"
        app.conf.broker_transport_options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, "global_keyprefix": prefix}
        env = {**os.environ, "MEDIA_ROOT": folder, "CACHE_PREFIX": prefix, "BROKER_PREFIX": prefix, "LOG_LEVEL": "WARNING",
               "PYTHONPATH": str(ROOT), "GENERATOR_BACKEND": "none"}  # fmt: skip
        default, ml, beat = workers = [Worker(name, env) for name in ("worker", "ml", "beat")]
        over = threading.Event()

        def measure() -> None:
            while not over.wait(0.25):
                default.measure()
                ml.measure()

        for worker in workers:
            worker.start()
        threading.Thread(target=measure, daemon=True).start()
        try:
            found = _start(path)
            runs, reviews = ReviewImport.objects.filter(pk=found.pk), Review.objects.filter(store=found.store)
            import_seconds, import_waited = follow(
                default, done=lambda: runs.get().cursor, total=ROWS, rng=rng, pool=True,
                finished=lambda: runs.get().status not in ("applying", "uploaded"),
            )  # fmt: skip
            figures = {"import_peak_mb": default.peak_mb}
            print(f"  imported in {import_seconds:.0f} s", flush=True)
            judgements = Judgement.objects.filter(store=found.store)
            waiting = reviews.filter(needs_scoring=True, rating_only=False)
            scoring_seconds, scoring_waited = follow(
                ml, done=judgements.count, total=len(made.worded), rng=rng, pool=False,
                finished=lambda: not waiting.exists(),
            )  # fmt: skip
            figures["scoring_peak_mb"] = ml.peak_mb
            default.stop()  # ends the search for copies first
            figures["default_peak_mb"] = round(default.peak_kib / 1024, 1)
        finally:
            over.set()
            for worker in workers:
                if worker.process and worker.process.poll() is None:
                    worker.end()
    told = compare(found, made, ROWS)
    jobs = Job.objects.filter(store=found.store, kind__in=("review-import", "score"))
    return {
        "rows": ROWS, "import_seconds": round(import_seconds, 1), "scoring_seconds": round(scoring_seconds, 1),
        "reviews_per_second": round(told["judged"] / scoring_seconds, 1), "kills": 2 * KILLS, **told, **figures,
        "import_waited_seconds": round(import_waited, 1), "scoring_waited_seconds": round(scoring_waited, 1),
        "attempts": sum(jobs.values_list("attempts", flat=True)),
    }  # fmt: skip
