"""Words about what customers think, in the six languages that the copy model writes.

Regular expressions, alternatives parted by "|": Latin forms match from the beginning of a word, others anywhere.
"""

PRAISE_NAMES = {
    "en": "Customers praise", "de": "Kunden loben", "es": "Los clientes valoran", "fr": "Les clients apprécient",
    "ja": "お客様の評価", "zh-Hans": "顾客好评",
}  # fmt: skip
# An aspect of the reviews as copy would name it. What says nothing of the product ("general", "authenticity") is absent.
ASPECT_WORDS = {
    "quality": {"en": "quality", "de": "Qualität", "es": "calidad", "fr": "qualité", "ja": "品質", "zh-Hans": "品质"},
    "price": {
        "en": "value for money", "de": "Preis-Leistung", "es": "relación calidad-precio", "fr": "rapport qualité-prix",
        "ja": "コストパフォーマンス", "zh-Hans": "性价比",
    },
    "size_fit": {"en": "fit", "de": "Passform", "es": "ajuste", "fr": "coupe", "ja": "フィット感", "zh-Hans": "合身"},
    "design": {"en": "design", "de": "Design", "es": "diseño", "fr": "design", "ja": "デザイン", "zh-Hans": "设计"},
    "performance": {
        "en": "performance", "de": "Leistung", "es": "rendimiento", "fr": "performances", "ja": "性能", "zh-Hans": "性能",
    },
    "usability": {
        "en": "ease of use", "de": "einfache Handhabung", "es": "facilidad de uso", "fr": "facilité d'utilisation",
        "ja": "使いやすさ", "zh-Hans": "易用",
    },
    "accessories": {
        "en": "accessories", "de": "Zubehör", "es": "accesorios", "fr": "accessoires", "ja": "付属品", "zh-Hans": "配件",
    },
    "packaging": {
        "en": "packaging", "de": "Verpackung", "es": "embalaje", "fr": "emballage", "ja": "梱包", "zh-Hans": "包装",
    },
    "shipping": {"en": "delivery", "de": "Lieferung", "es": "entrega", "fr": "livraison", "ja": "配送", "zh-Hans": "发货"},
    "service": {"en": "service", "de": "Service", "es": "atención", "fr": "service", "ja": "対応", "zh-Hans": "服务"},
}  # fmt: skip
# Sides of an aspect that are told apart: who finds a thing slow has not said that it is loud. First what copy promises of
# a side, then what complaints about it sound like; complaints in other words count against every side.
FACETS = {
    "performance": {
        "noise": (
            r"quiet|silent|whisper|noiseless|leise|geräuscharm|silencios|silencieu|静音|安静|静か",
            r"loud|nois[ey]|humm?(?:s|ing)?\b|rattl|whin(?:e|ing)|squeak|buzz|laut\b|laute|lärm|krach|brumm|quietsch|geräusch|ruid|bruyant|bruit"
            r"|噪音|噪声|吵|声音大|声音太大|うるさ|騒音|音が大き",
        ),
        # Speed with power: who finds a mixer slow finds it weak.
        "speed": (
            r"fast\b|faster|quick|powerful|schnell|leistungsstark|kraftvoll|rápid|potente|rapide|puissant|快速|强劲|高速|素早|パワフル",
            r"slow|sluggish|lag(?:s|gy|ging)?\b|tak(?:es|ing) (?:forever|ages|too long|so long|very long)|langsam|lahm|träge|ruckel|dauert (?:ewig|zu lange|sehr lange)"
            r"|lent[aoe]?s?\b|tarda|rame\b|met (?:trop|très) longtemps|慢|卡顿|很卡|太卡|遅|時間がかか|もたつ"
            r"|weak|underpowered|(?:no|lacks?|little|not enough) power|not (?:very |that )?powerful|schwach|kraftlos|(?:keine|zu wenig|wenig) (?:leistung|kraft)"
            r"|poca (?:potencia|fuerza)|débil|floj[oa]|faible|manque de puissance|peu puissant|动力不足|没劲|无力|吸力小|力度小|パワー不足|パワーがな|弱い|弱く",
        ),
        "reliability": (
            r"reliab|zuverlässig|fiable|可靠",
            r"stop(?:s|ped)? (?:working|charging)|(?:doesn't|does not|won't|will not) work|broke|breaks|fail(?:s|ed|ure)?\b|crash|unreliab|defect|died|dead\b|disconnect"
            r"|kaputt|defekt|ausgefallen|unzuverlässig|stürzt|geht nicht mehr|funktioniert nicht|dejó de funcionar|no funciona|se rompió|avería|averiad|desconect"
            r"|en panne|ne (?:marche|fonctionne) p|plante|défectueu|peu fiable|坏了|故障|死机|断连|失灵|不工作|壊れ|故障|動かな|不良",
        ),
        "battery": (
            r"long battery|持久",
            r"batter|drain|akku|batterie|batería|autonomie|电池|续航|掉电|没电|バッテリー|電池",
        ),
    },
}  # fmt: skip
# What a text may not promise of an aspect once the reviews deny it.
CLAIMS = {
    "size_fit": r"true to size|perfect fit|fits? (?:perfectly|true|like a glove|just right)|great fit|flattering fit|fällt (?:normal|größengerecht) aus"
    r"|größengerecht|passt perfekt|perfekte passform|sitzt perfekt|fiel a (?:la|su) talla|talla exacta|ajuste perfecto|sienta (?:bien|perfecto)"
    r"|taille (?:normalement|bien|parfaitement)|fidèle à la taille|coupe parfaite|正码|尺码标准|尺码准|合身|版型好|サイズ通り|ぴったり|フィット",
    "quality": r"durab|long[- ]lasting|lasts? (?:for )?(?:years|a lifetime|longer)|sturdy|sturdily|robust|hard-?wearing|high[- ]quality|well[- ]made|quality"
    r"|built to last|solid(?:ly)? (?:built|made)|langlebig|hochwertig|strapazierf|stabil|solide|haltbar|qualität|duradero|duradera|resistente|calidad"
    r"|sólid|résistant|robuste|qualité|耐用|结实|坚固|优质|品质|质量|经久|丈夫|耐久|長持ち|頑丈|品質|上質",
    # Beside the words of its sides (FACETS).
    "performance": r"efficient|effizient|eficiente|efficace|高效|高性能",
    "usability": r"eas(?:y|ily|ier)|effortless|simple to|simply|user[- ]friendly|intuitive|handy|in seconds|einfach|leicht zu|kinderleicht|mühelos"
    r"|praktisch|benutzerfreundlich|pflegeleicht|unkompliziert|fácil|sencill|práctic|cómod|intuitiv|facile|simple à|pratique|易用|好用|方便|简单|轻松|便捷"
    r"|簡単|手軽|使いやす|かんたん|便利",
    "design": r"beautiful|stylish|elegant|gorgeous|sleek|pretty|schön|stilvoll|schick|formschön|bonit|precios[oa]|estilos|élégant|beau\b|belle\b|raffiné"
    r"|漂亮|美观|时尚|优雅|精美|好看|美し|おしゃれ|スタイリッシュ|エレガント",
    "price": r"(?:good|great|excellent) value|value for money|affordab|inexpensive|bargain|budget|cheap|günstig|preiswert|schnäppchen|preis-leistung"
    r"|económic|asequible|buen precio|barat|calidad-precio|abordable|bon marché|économique|petit prix|qualité-prix|实惠|划算|性价比|超值|便宜"
    r"|お得|お手頃|コスパ|リーズナブル|コストパフォーマンス",
    "packaging": r"gift[- ]ready|beautifully (?:packed|packaged|boxed)|carefully pack|liebevoll verpackt|sicher verpackt|geschenkfertig|bien embalad"
    r"|list[oa] para regalar|soigneusement emballé|prêt à offrir|包装精美|包装严实|丁寧に梱包|ギフト",
    "shipping": r"(?:fast|quick|speedy|prompt) (?:shipping|delivery|dispatch)|arrives (?:fast|quickly)|schnelle[rn]? (?:lieferung|versand)|schnell geliefert"
    r"|envío rápido|entrega rápida|livraison rapide|livré rapidement|发货快|快速发货|极速|迅速|すぐ届",
    "service": r"(?:friendly|great|excellent) (?:service|support)|freundlicher service|bester service|excelente (?:servicio|atención)|service (?:rapide|attentif)"
    r"|服务好|贴心|丁寧な対応|安心のサポート",
    "accessories": r"complete with|everything (?:you need|included)|all included|fully equipped|komplett mit|alles dabei|todo incluido|tout inclus|配件齐全|一式|付属",
    "authenticity": r"genuine|authentic|original\b|echt|garantiert original|auténtic|authentique|正品|原装|正規品|本物",
}
# A text that says what customers think or do needs reviews behind it.
CUSTOMERS = (
    r"customers?\b|shoppers?\b|buyers?\b|reviewers?\b|reviews?\b|reviewed|(?:top|best|highest|highly)[- ]rated|rated (?:\d|five|the)|loved by"
    r"|customer favou?rite|crowd favou?rite|best-?sell|popular\b|recommended by|kund(?:e|en|in|innen)\b|käufer|bewertung|bewertet|beliebt|bestseller"
    r"|empfohlen von|meistverkauft|clientes?\b|compradores|reseñas|valorad|favorit[oa]s? de (?:los|nuestros)|más vendid|recomendad[oa]s? por"
    r"|clients?\b|acheteurs|avis\b|bien noté|mieux noté|préféré des|plébiscit|populaire|favori des|meilleure vente|顾客|客户|买家|好评|热销|人气"
    r"|口碑|爆款|畅销|お客様|購入者|レビュー|口コミ|高評価|人気|好評|売れ筋"
)
