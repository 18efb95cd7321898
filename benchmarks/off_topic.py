"""The flag "off topic" on public reviews: how often it is raised in a store that sells just that, and how often where a
review speaks of other goods.

Data: the folder of REVIEW_DATA (default ../shared/data/reviews). The margin is chosen on the train parts, the test parts
are measured only; pt_b2w has no parts and is split by the hash of the product's number. A store is a handful of product
titles, written for this. `zh_online_shopping` names its ten categories: each is a store. Its dairy brand's rows are partly
microblog posts that mention the brand, and many rows of all sets name no goods at all ("fast delivery"): no method could
tell where they come from.
"""

import csv
import hashlib
import time

import numpy as np

from benchmarks.reviews import DATA
from ml import classifier, encoder, registry
from reviews import off_topic
from reviews.reading import for_model

SHOES = ["Leather ankle boots", "Running shoes Air 4", "Canvas sneaker, white", "Suede sandals", "Kids rain boots"]
CLOTHES = [
    "Floral wrap dress", "Silk blouse", "High-rise skinny jeans", "Cashmere cardigan", "Pleated midi skirt",
    "Trench coat",
]  # fmt: skip
MARKETPLACE = [
    "Laptop Asus 14 inch", "Vitamin C 500mg", "Panci set", "Mainan mobil remote", "TV LED 32 inch", "Kompor gas",
    "Popok bayi", "Gamis wanita", "Kemeja pria", "Hijab segi empat", "Novel Laskar Pelangi", "Lipstik matte",
    "Sabun mandi cair", "Stik PS4 controller", "Smartphone Xiaomi Redmi", "Casing HP", "Ban motor",
    "Kopi bubuk 250gr", "Keripik singkong", "Raket badminton", "Kamera CCTV", "Pulpen gel", "Bor listrik",
    "Makanan kucing", "Gitar akustik", "Balon ulang tahun", "Sepatu sneakers", "Tas ransel", "Jam tangan",
    "Lampu LED", "Sprei", "Bibit tanaman", "Sepeda", "Deterjen", "Masker medis", "Kipas angin", "Rice cooker",
    "Headset bluetooth", "Mouse wireless", "Buku gambar", "Kacamata", "Topi", "Kasur busa", "Blender",
    "Cincin titanium", "Powerbank", "Kursi gaming", "Helm",
]  # fmt: skip
CHINESE = {
    "书籍": ["活着 余华 长篇小说", "小王子 中英文对照 精装", "宝宝巴士 儿童绘本 3-6岁", "高效能人士的七个习惯 管理学", "Java编程思想 第4版 教材"],
    "平板": ["Apple iPad 平板电脑 9.7英寸 32G WLAN版", "华为平板 M5 10.8英寸 64G", "小米平板4 8英寸 安卓平板"],
    "手机": ["诺基亚 N97 智能手机 黑色", "小米 红米Note 8 4G全网通手机", "华为 P30 双卡双待手机 128G"],
    "水果": ["陕西洛川红富士苹果 12个 新鲜水果", "赣南脐橙 5斤装", "海南贵妃芒果 5斤 当季水果"],
    "洗发水": ["海飞丝去屑洗发露 750ml", "潘婷乳液修护洗发水 护发素套装", "清扬男士洗发水 薄荷"],
    "热水器": ["美的 60升电热水器 F60-21W", "海尔 燃气热水器 12升 天然气", "万和 即热式电热水器"],
    "蒙牛": ["蒙牛 特仑苏 纯牛奶 250ml*12盒", "蒙牛 纯甄 酸牛奶 礼盒装", "蒙牛 真果粒 草莓牛奶饮品"],
    "衣服": ["女装 雪纺连衣裙 夏季新款", "男士纯棉短袖T恤", "韩版修身牛仔裤 女", "加厚羽绒服 中长款"],
    "计算机": ["联想 ThinkPad X200 笔记本电脑", "惠普 14英寸 轻薄笔记本 i5", "戴尔 台式机 主机 显示器 套装"],
    "酒店": ["北京国际饭店 豪华大床房 含双早", "杭州西湖宾馆 标准间", "三亚海景度假酒店 家庭房"],
}  # fmt: skip
BRAZILIAN = {
    "Celulares e Smartphones": [
        "Smartphone Samsung Galaxy J5 16GB 4G", "iPhone 7 Apple 32GB", "Celular Motorola Moto G5 Plus",
    ],
    "Eletroportáteis": [
        "Liquidificador Arno 2 velocidades", "Panela elétrica de arroz", "Fritadeira sem óleo Mondial",
        "Ferro de passar a vapor", "Aspirador de pó", "Ventilador 40cm",
    ],
    "Brinquedos": [
        "Boneca Baby Alive", "Carrinho Hot Wheels pista", "Lego Classic blocos", "Quebra-cabeça 500 peças",
    ],
    "Beleza e Perfumaria": [
        "Perfume Ferrari Black 125ml", "Shampoo hidratante 300ml", "Secador de cabelo 2000W", "Creme facial",
        "Batom matte", "Barbeador elétrico",
    ],
    "Utilidades Domésticas": [
        "Jogo de panelas antiaderente 5 peças", "Conjunto de taças de vidro", "Faqueiro inox 24 peças",
        "Varal de chão", "Organizador plástico", "Garrafa térmica",
    ],
    "TV e Home Theater": [
        "Smart TV LED 43 Full HD", "Home Theater Blu-ray 3D", "Suporte de parede para TV", "Conversor digital",
        "Antena digital",
    ],
    "Móveis": [
        "Guarda-roupa casal 6 portas", "Sofá 3 lugares retrátil", "Mesa de jantar com 4 cadeiras",
        "Colchão casal molas", "Rack para TV", "Escrivaninha",
    ],
    "Informática": [
        "Notebook Dell Inspiron 15 8GB", "Computador desktop Intel i5", "Tablet Samsung 7", "Monitor LED 21,5",
    ],
    "Informática e Acessórios": [
        "Mouse sem fio Logitech", "Teclado gamer", "Impressora multifuncional HP", "Roteador wireless",
        "HD externo 1TB", "Pen drive 16GB", "Cartão de memória", "Placa de vídeo",
    ],
    "Games": ["Console PlayStation 4 500GB", "Jogo FIFA 18 Xbox One", "Controle sem fio Xbox", "Headset gamer"],
    "Eletrodomésticos": [
        "Geladeira frost free 375L", "Máquina de lavar 11kg", "Fogão 4 bocas", "Micro-ondas 20L", "Cooktop",
        "Adega climatizada",
    ],
    "Casa e Construção": [
        "Torneira para cozinha", "Chuveiro elétrico 5500W", "Luminária de teto LED", "Fechadura digital",
        "Papel de parede adesivo", "Piscina estrutural", "Furadeira",
    ],
    "Esporte e Lazer": [
        "Bicicleta aro 29", "Esteira elétrica", "Barraca camping 4 pessoas", "Kit halteres", "Patins inline",
        "Piscina inflável", "Bola de futebol",
    ],
    "Livros": [
        "O Poder do Hábito - livro", "Harry Potter e a Pedra Filosofal", "Bíblia sagrada",
        "Box trilogia O Senhor dos Anéis",
    ],
    "Bebês": [
        "Carrinho de bebê", "Fralda Pampers G", "Berço desmontável", "Cadeira para auto", "Mamadeira",
        "Babá eletrônica",
    ],
    "Automotivo": [
        "Pneu aro 14", "Som automotivo Bluetooth", "Capa para carro", "Capacete moto", "GPS automotivo",
        "Alto-falante 6 polegadas",
    ],
    "Moda": [
        "Tênis feminino", "Camiseta masculina", "Vestido longo", "Bolsa feminina de couro", "Óculos de sol",
        "Calça jeans",
    ],
    "Cama, Mesa e Banho": [
        "Jogo de cama casal 4 peças", "Toalha de banho", "Edredom queen", "Travesseiro", "Cortina", "Tapete",
    ],
    "Decoração": [
        "Quadro decorativo", "Papel de parede", "Vaso de cerâmica", "Espelho", "Relógio de parede", "Luminária",
    ],
    "Saúde": [
        "Medidor de pressão arterial", "Termômetro digital", "Cadeira de rodas", "Massageador", "Balança digital",
    ],
    "Ferramentas e Jardim": [
        "Furadeira de impacto", "Cortador de grama", "Lavadora de alta pressão", "Jogo de ferramentas", "Mangueira",
    ],
    "Áudio": ["Caixa de som Bluetooth", "Fone de ouvido", "Mini system", "Rádio portátil", "Toca-discos"],
    "Câmeras e Filmadoras": ["Câmera digital Canon", "GoPro Hero 5", "Tripé", "Câmera instantânea"],
    "Instrumentos Musicais": [
        "Violão acústico", "Teclado musical Yamaha", "Microfone sem fio", "Guitarra", "Mesa de som",
    ],
    "Relógios": ["Relógio masculino Casio", "Relógio feminino dourado", "Smartwatch"],
    "Pet Shop": ["Ração para cães 15kg", "Areia para gatos", "Cama para cachorro", "Coleira"],
}  # fmt: skip
HOTELS, DAIRY, CLOTHING, PHONES = "酒店", "蒙牛", "衣服", "手机"


def rows_of(name: str, split: str) -> tuple[list[str], np.ndarray]:
    """Texts of a set's part, and the category of each."""
    texts, sources = [], []
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if "split" in row:
                part, text, source = row["split"], row["text"], row["source"].rpartition(":")[2]
            else:
                odd = int(hashlib.sha256(row["product_id"].encode()).hexdigest(), 16) % 2
                part, text, source = "test" if odd else "train", f"{row['title']}\n{row['text']}", row["category"]
            if part == split:
                texts.append(text)
                sources.append(source)
    return texts, np.array(sources)


def _vectors(texts: list[str]) -> np.ndarray:
    return encoder.embed([for_model(text)[: off_topic.READ] for text in texts])


def _margins(vectors: np.ndarray, products: list[str]) -> np.ndarray:
    """Of reviews in a store of these products; −inf where those don't say what they are: nothing is flagged there."""
    sold = off_topic.sold_by(off_topic.kinds_of(products))
    if sold is None:
        return np.full(len(vectors), -np.inf)
    return off_topic.margins(vectors, sold.fitting(off_topic.kinds()))[0]


def measure(split: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Margins of the reviews of a part: of those that fit their store, and of those that are of another kind."""
    chinese, categories = rows_of("zh_online_shopping", split)
    zh = _vectors(chinese)
    clothes, marketplace = (_vectors(rows_of(name, split)[0]) for name in ("en_womens_clothing", "id_prdect"))
    hotels, english_hotels = (_vectors(rows_of(name, split)[0]) for name in ("zh_chnsenticorp_htl", "fake_en_ott"))
    brazilian, departments = rows_of("pt_b2w_dated_all", split)
    kept = np.isin(departments, list(BRAZILIAN))
    pt, departments = _vectors([text for text, keep in zip(brazilian, kept, strict=True) if keep]), departments[kept]

    fitting = {"en_womens_clothing": _margins(clothes, CLOTHES), "id_prdect": _margins(marketplace, MARKETPLACE)}
    for name, titles in CHINESE.items():
        fitting[f"zh_online_shopping {name}"] = _margins(zh[categories == name], titles)
    fitting["pt_b2w, a store a category"] = np.concatenate(
        [
            _margins(pt[departments == name], [f"{title}\n{name}" for title in titles])
            for name, titles in BRAZILIAN.items()
        ]
    )
    fitting["zh_chnsenticorp_htl in a hotel"] = _margins(hotels, CHINESE[HOTELS])

    foreign = {
        "zh_chnsenticorp_htl in a shoe shop": _margins(hotels, SHOES),
        "fake_en_ott (hotels) in a shoe shop": _margins(english_hotels, SHOES),
        "en_womens_clothing in a phone shop": _margins(clothes, CHINESE[PHONES]),
    }
    for name in CHINESE:
        if name != CLOTHING:
            foreign[f"zh_online_shopping {name} in a shoe shop"] = _margins(zh[categories == name], SHOES)
    for name in ("Celulares e Smartphones", "Móveis", "Livros"):
        foreign[f"pt_b2w {name} in a shoe shop"] = _margins(pt[departments == name], SHOES)
    return fitting, foreign


def _shares(found: dict[str, np.ndarray]) -> dict[str, float]:
    """Percent that would be flagged."""
    return {name: round(100 * float((margins > off_topic.MARGIN).mean()), 2) for name, margins in found.items()}


def pooled(fitting: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The sets that the margin is chosen by: the ten categories count as one set each, goods and the rest apart."""
    goods = [f"zh_online_shopping {name}" for name in CHINESE if name not in (HOTELS, DAIRY)]
    return {
        **{name: fitting[name] for name in ("en_womens_clothing", "id_prdect", "pt_b2w, a store a category")},
        "zh_online_shopping, eight kinds of goods": np.concatenate([fitting[name] for name in goods]),
    }


def _needed(margins: np.ndarray, share: float = 0.003) -> float:
    """The least margin at which at most this share is flagged."""
    return round(float(np.sort(margins)[::-1][int(len(margins) * share)]), 3)


def cost() -> dict[str, float]:
    """What the extra pass of the encoder costs beside the review model's own, in turn on the same reviews."""
    texts, languages = [], []
    for name, language in (("en_womens_clothing", "en"), ("id_prdect", "id"), ("zh_online_shopping", "zh")):
        texts += rows_of(name, "test")[0][:96]
        languages += [language] * 96
    model = classifier.loaded(registry.folder(registry.live("reviews")))
    passes = {"scoring": lambda: model.judge(texts, languages), "extra": lambda: _vectors(texts)}
    times = {name: [] for name in passes}
    for _round in range(3):
        for name, run_it in passes.items():
            started = time.perf_counter()
            run_it()
            times[name].append(time.perf_counter() - started)
    best = {name: min(seconds) for name, seconds in times.items()}
    return {
        "scoring_reviews_per_second_alone": round(len(texts) / best["scoring"], 1),
        "scoring_reviews_per_second_with_the_extra_pass": round(len(texts) / (best["scoring"] + best["extra"]), 1),
    }


def run() -> dict:
    """All figures of off_topic.json."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("prepare_models")
    train, _foreign = measure("train")
    fitting, foreign = measure("test")
    return {
        "margin": off_topic.MARGIN,
        "margin_needed_for_0.3_percent_on_train": {name: _needed(margins) for name, margins in pooled(train).items()},
        "false_alarms_percent_train": _shares(train | pooled(train)),
        "false_alarms_percent": _shares(fitting | pooled(fitting)),
        "recall_percent": _shares(foreign),
        "reviews": {name: len(margins) for name, margins in (fitting | foreign).items()},
        **cost(),
        "model": encoder.model_label(),
    }
