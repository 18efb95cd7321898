"""Topics: planted ones are found in three languages, counts add up, ids stay, a person's name stays."""

import random
from collections import Counter

import pytest

from reviews import effective, phrases, topics
from reviews.models import Phrase, Review, Topic, TopicReview, TopicSet
from tests.factories import make_product
from tests.reviews.factories import make_review

# topic → (sentiment, openings, what is said)
PLANTED = {
    "en": {
        "battery": (-1, ["Sadly", "For me", "After a week", "Honestly"], [
            "the battery drains within two hours", "the battery life is too short", "the battery dies before noon",
            "the battery never lasts a day", "battery life got worse and worse"]),
        "delivery": (1, ["Great service", "As promised", "This time", "Once again"], [
            "delivery was very fast", "fast delivery to my door", "the delivery arrived a day early",
            "quick delivery by the courier", "delivery took only one day"]),
        "smell": (-1, ["Careful", "Be warned", "In my opinion", "Sorry to say"], [
            "it has a strong chemical smell", "the plastic smell is awful", "the smell does not go away",
            "a terrible smell of glue", "the smell gave me a headache"]),
    },
    "de": {
        "akku": (-1, ["Leider", "Bei mir", "Nach einer Woche", "Ehrlich gesagt"], [
            "hält der Akku nur zwei Stunden", "ist der Akku viel zu schnell leer", "macht der Akku mittags schlapp",
            "ist die Akkulaufzeit zu kurz", "lädt der Akku nicht mehr voll"]),
        "lieferung": (1, ["Super", "Wie versprochen", "Diesmal", "Wieder einmal"], [
            "kam die Lieferung sehr schnell", "war die Lieferung einen Tag früher da", "schnelle Lieferung bis zur Tür",
            "hat die Lieferung nur einen Tag gedauert", "die schnelle Lieferung durch den Kurier"]),
        "groesse": (-1, ["Achtung", "Vorsicht", "Meiner Meinung nach", "Schade"], [
            "fällt die Größe viel zu klein aus", "passt die Größe überhaupt nicht", "eine Größe größer bestellen",
            "die Größentabelle stimmt nicht", "ist die Größe zu eng geschnitten"]),
    },
    "zh": {
        "battery": (-1, ["说实话", "用了一周", "很失望", "不推荐"], [
            "电池只能用两个小时", "电池续航太短了", "电池掉电特别快", "电池充不满电", "电池半天就没电了"]),
        "delivery": (1, ["非常满意", "这次购物", "再次购买", "好评"], [
            "物流速度很快", "快递第二天就到了", "物流特别快，快递员态度好", "发货快物流也快", "快递送货很快"]),
        "size": (-1, ["注意", "可惜", "我觉得", "不太好"], [
            "尺码偏小很多", "尺码不准要买大一号", "尺码太小穿不上", "尺码和描述不一样", "尺码小了一号"]),
    },
}  # fmt: skip
STRAY = {"en": ["My sister picked the green one", "Bought for a garden party in June"],
         "de": ["Meine Schwester wollte den grünen", "Gekauft für das Gartenfest im Juni"],
         "zh": ["妹妹选了绿色的那个", "六月份给朋友买的礼物"]}  # fmt: skip


@pytest.fixture
def planted(store):
    """300 made reviews: about 30 of each of three topics in three languages, and strays. Review → planted topic."""
    rng = random.Random(7)
    product, truth = make_product(store), {}
    for language, found in PLANTED.items():
        joint = "，" if language == "zh" else ", "
        for topic, (sentiment, _openings, said) in found.items():
            for _ in range(30):
                text = joint.join(
                    [rng.choice(PLANTED[language][rng.choice(list(found))][1]), rng.choice(said)]
                ) + rng.choice(["。" if joint == "，" else "."])
                review = make_review(store, text, rating="1" if sentiment < 0 else "5", language=language, product=product,
                                     sentiment=sentiment)  # fmt: skip
                truth[review.pk] = topic
        for text in STRAY[language]:
            make_review(store, text, language=language, product=product, sentiment=0, rating="3")
        make_review(store, "", language=language, rating_only=True, product=product)
    effective.refresh(list(Review.objects.filter(store=store).values_list("pk", flat=True)))
    return truth


def planted_in(language: str, phrase: str) -> str:
    """The planted topic that a phrase comes from; openings and strays belong to none."""
    return next((t for t, (_s, _o, said) in PLANTED[language].items() if any(one in phrase for one in said)), "filler")


def quality(language: str, truth: dict) -> tuple[float, float, set[str]]:
    """Purity (share of a topic's phrases that come from its commonest planted topic, over all topics), recall (share of
    planted reviews in a topic of theirs), and the planted topics that were found."""
    right = total = 0
    found, reached = set(), set()
    for topic in Topic.objects.filter(group__language=language, group__product=None, retired_at=None):
        rows = [
            (m.review_id, planted_in(language, m.review.text[m.start : m.end]))
            for m in topic.members.select_related("review")
        ]
        best, count = Counter(label for _pk, label in rows).most_common(1)[0]
        right, total = right + count, total + len(rows)
        found.add(best)
        reached |= {pk for pk, label in rows if label == best and truth.get(pk) == best}
    planted = [pk for pk, topic in truth.items() if topic in PLANTED[language] and pk in truth]
    mine = set(Review.objects.filter(pk__in=planted, language=language).values_list("pk", flat=True))
    return right / total if total else 0.0, len(reached & mine) / len(mine), found


@pytest.mark.django_db
@pytest.mark.slow
def test_planted_topics_are_found_counts_add_up_and_ids_and_names_stay(store, alice, as_user, planted):
    topics.find_all(store)
    for language in PLANTED:
        share, recall, found = quality(language, planted)
        print(
            language,
            f"purity {share:.3f} recall {recall:.3f}",
            found,
            [(t.name, t.reviews) for t in topics.live(store, None, language)],
        )
        assert share >= 0.85 and recall >= 0.6 and found >= set(PLANTED[language])
    assert TopicSet.objects.count() == 6
    for group in TopicSet.objects.all():
        inside = TopicReview.objects.filter(topic__group=group, topic__retired_at=None).values("review_id").distinct()
        assert group.reviews == group.with_text + group.without_text
        assert group.with_text == group.in_topics + group.other
        assert group.in_topics == inside.count() and group.other == topics.other_reviews(group).count()
        for topic in group.topics.filter(retired_at=None):
            assert topic.reviews == topic.members.count() >= 10
            assert topic.reviews == topic.positive + topic.neutral + topic.negative
            texts = [m.review.text for m in topic.members.select_related("review")]
            assert any(topic.name in text for text in texts)

    first = topics.live(store, None, "en").first()
    topics.rename(topic=first, by=alice, name="My name")
    before = {t.pk: t.name for t in Topic.objects.filter(retired_at=None)}
    held = set(TopicReview.objects.values_list("topic_id", "review_id", "start"))
    phrase_ids = set(Phrase.objects.values_list("pk", flat=True))
    topics.find_all(store)
    assert {t.pk: t.name for t in Topic.objects.filter(retired_at=None)} == before
    assert set(TopicReview.objects.values_list("topic_id", "review_id", "start")) == held
    assert set(Phrase.objects.values_list("pk", flat=True)) == phrase_ids  # nothing was embedded again
    first.refresh_from_db()
    assert first.title == "My name"

    client = as_user(alice)
    assert "My name" in client.get("/s/alice/reviews/topics/?language=en").content.decode()
    detail = client.get(f"/s/alice/reviews/topics/{first.pk}/").content.decode()
    assert '<mark class="fact">' in detail
    group = TopicSet.objects.get(language="en", product=None)
    assert client.get(f"/s/alice/reviews/topics/other/{group.pk}/").status_code == 200

    # its reviews go: the topic retires, its name is kept
    Review.objects.filter(pk__in=first.members.values("review_id")).delete()
    topics.find_all(store)
    first.refresh_from_db()
    assert first.retired_at is not None and first.given_name == "My name"


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("Fast delivery, but the handle broke. Costs 3,5 kg.", "en", ["Fast delivery", "but the handle broke", "Costs 3,5 kg"]),
        ("物流很快，包装也很好。下次再买！", "zh", ["物流很快", "包装也很好", "下次再买"]),
        ("配送が早いです。音質は最高でした！", "ja", ["配送が早いです", "音質は最高でした"]),
        ("Top", "en", ["Top"]),
        ("", "en", []),
    ],
)  # fmt: skip
def test_clauses_are_cut_by_the_punctuation_of_the_language(text, language, wanted):
    assert [text[a:b] for a, b in phrases.clauses(text, language)] == wanted


def test_words_without_spaces_are_found():
    assert "电池" in phrases.words("电池续航太短了", "zh-Hans")
    assert "音質" in phrases.words("音質は最高", "ja")
