"""What the demo shop's customers say: our own sentences, put together the same way each time."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from reviews.reading import RawReview

SEED = 20261125
# language → (names, praise, complaints, lukewarm); a review is one to three of them.
VOICES: dict[str, tuple[list[str], list[str], list[str], list[str]]] = {
    "en": (
        ["Hannah Wood", "Marcus Bell", "Priya Nair", "Tom Avery", "Ellen Marsh", "Joseph Okoro"],
        ["The quality is better than I expected for the price.", "It arrived two days after I ordered.", "Beautifully packed, not a scratch on it.",
         "The colour is exactly as in the picture.", "I use it every single day.", "Customer service answered within the hour.",
         "It feels solid and well made.", "Great value, I have ordered a second one.", "Easy to clean and easy to use."],
        ["It broke after two weeks.", "Delivery took almost a month.", "The box was crushed and one corner was chipped.", "It is much smaller than I thought.",
         "Nobody answered my two mails.", "Far too expensive for what it is.", "The colour is nothing like the photo.", "A strange chemical smell that does not go away."],
        ["It does what it should, nothing more.", "Fine for the price.", "Neither good nor bad.", "Nice to look at, but a little awkward to use."],
    ),
    "de": (
        ["Katrin Vogel", "Jonas Lehmann", "Sabine Kraus", "Emre Yilmaz"],
        ["Die Qualität hat mich wirklich überzeugt.", "Schnell geliefert und sehr gut verpackt.", "Die Farbe ist genau wie auf dem Bild.", "Ein schönes Geschenk, kam sehr gut an.",
         "Der Kundendienst war freundlich und schnell.", "Für den Preis unschlagbar.", "Liegt gut in der Hand und lässt sich leicht reinigen."],
        ["Nach drei Wochen kaputt.", "Die Lieferung hat ewig gedauert.", "Kam beschädigt an, der Karton war offen.", "Viel kleiner als gedacht.",
         "Auf meine Mail kam nie eine Antwort.", "Zu teuer für diese Verarbeitung."],
        ["Ganz in Ordnung, mehr nicht.", "Schön, aber etwas unpraktisch.", "Erfüllt seinen Zweck."],
    ),
    "es": (
        ["Lucía Ramos", "Andrés Gil", "Carmen Soto"],
        ["La calidad es excelente.", "Llegó antes de lo previsto y muy bien embalado.", "El color es precioso, igual que en la foto.", "Muy buena relación calidad-precio.",
         "La atención al cliente fue muy amable.", "Lo uso todos los días y estoy encantada."],
        ["Se rompió a los pocos días.", "El envío tardó tres semanas.", "Llegó golpeado y sin protección.", "Es más pequeño de lo que parece.", "Demasiado caro para lo que es."],
        ["Está bien, sin más.", "Cumple, pero no es nada especial."],
    ),
    "fr": (
        ["Camille Roux", "Hugo Lambert", "Inès Faure"],
        ["Très belle qualité, je suis ravie.", "Livraison rapide et emballage soigné.", "La couleur est conforme à la photo.", "Excellent rapport qualité-prix.",
         "Le service client a répondu tout de suite.", "Facile à nettoyer et agréable à utiliser."],
        ["Cassé au bout d'une semaine.", "La livraison a pris un mois.", "Arrivé abîmé, emballage insuffisant.", "Beaucoup trop petit.", "Trop cher pour cette qualité."],
        ["Correct, sans plus.", "Joli mais peu pratique."],
    ),
    "zh": (
        ["李静", "王磊", "陈晓雨"],
        ["质量很好，做工精细。", "物流很快，两天就到了。", "包装很用心，没有一点损坏。", "颜色和图片一样，很漂亮。", "性价比很高，会再来买。", "客服态度很好，回复很快。"],
        ["用了两个星期就坏了。", "快递太慢，等了快一个月。", "收到的时候已经破了，包装太差。", "比想象中小很多。", "问客服一直没人理。", "价格太贵，不值。"],
        ["一般般，对得起这个价格。", "还可以，没有特别的地方。"],
    ),
    "ja": (
        ["佐藤 美咲", "高橋 健", "中村 葵"],
        ["品質がとても良く、満足しています。", "注文してすぐに届きました。", "梱包が丁寧で安心しました。", "写真どおりの色でかわいいです。", "この値段でこの出来なら文句なしです。", "問い合わせの対応が早くて助かりました。"],
        ["二週間で壊れてしまいました。", "届くまでに一か月かかりました。", "箱がつぶれていて、傷がありました。", "思っていたよりずっと小さいです。", "値段のわりに作りが雑です。"],
        ["普通です。", "見た目は良いですが、少し使いにくいです。"],
    ),
}  # fmt: skip
DAYS = 150
# In the last days one product's parcels arrive broken: something for the alerts to find.
TROUBLE = {
    "en": "The parcel arrived crushed and the product was broken.",
    "de": "Das Paket kam zerdrückt an und der Artikel war kaputt.",
}


def reviews(refs: list[str], now: datetime, count: int = 480) -> Iterator[RawReview]:
    """`count` reviews of the products with these handles, the newest written just before `now`; the same for the same
    arguments."""
    rng = random.Random(SEED)
    languages = rng.choices(list(VOICES), weights=[10, 6, 3, 3, 4, 2], k=count)
    for number, language in enumerate(languages):
        names, praise, complaints, lukewarm = VOICES[language]
        at = rng.random() ** 1.4 * DAYS
        # Products differ: each has its own share of content customers.
        ref = refs[min(int(rng.random() ** 1.6 * len(refs)), len(refs) - 1)]
        content = 0.55 + 0.4 * random.Random(f"{SEED}{ref}").random()
        trouble = ref == refs[1] and at < 6 and language in TROUBLE
        mood = rng.random()
        if trouble or mood > content + 0.12:
            stars = rng.choice([1, 1, 2])
            said = [TROUBLE[language]] if trouble else rng.sample(complaints, rng.choice([1, 1, 2]))
        elif mood > content:
            stars, said = (
                3,
                [rng.choice(lukewarm), *rng.sample(complaints if rng.random() < 0.5 else praise, rng.choice([0, 1]))],
            )
        else:
            stars, said = rng.choice([4, 5, 5]), rng.sample(praise, rng.choice([1, 2, 2, 3]))
        name = rng.choice(names)
        yield RawReview(
            title="", text=("" if language in ("zh", "ja") else " ").join(said), rating=str(stars), author_name=name,
            author_ids=(f"shopper{number}@example.com",), product_ref=ref, source="demo", source_id=f"demo-{number}",
            written_at=now - timedelta(days=at), language="", country="", verified=rng.random() < 0.8, consent=True,
        )  # fmt: skip
