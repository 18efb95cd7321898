"""What a text may only say when the product's facts say it: colours, materials, proofs, places, as concepts across languages.

A concept lists its surface forms in all our languages; Latin forms are matched by word beginning (so that inflections
count), Chinese and Japanese forms as substrings. Longer forms win over shorter ones.
"""

# kind → concept → forms. A trailing * allows any ending, = none at all; without them a short
# inflection is allowed (claims.ENDINGS). ":fr" behind a form: it is a claim in that language only. A hyphen stands for
# a hyphen or a space: "hand-made" is also "hand made".
COLOURS = {
    "black": "black negro negra schwarz noir 黑色 黑 ブラック 黒 黒色",
    "white": "white blanco blanca weiß weiss blanc 白色 白 ホワイト",
    "grey": "grey gray gris grau 灰色 灰 グレー",
    "red": "red rojo roja rot rouge 红色 红 赤 赤色 レッド",
    "blue": "blue azul blau bleu 蓝色 蓝 青 ブルー",
    "navy": "navy marine marino 藏青 海军蓝 深蓝 紺 紺色 ネイビー",
    "green": "green sage= verde grün vert 绿色 绿 緑 緑色 グリーン",
    "yellow": "yellow amarillo amarilla gelb jaune 黄色 黄 イエロー",
    "orange": "orange naranja 橙色 オレンジ",
    "pink": "pink rosa rose= roses:fr 粉色 粉红 ピンク",
    "purple": "purple violet violett* violeta morado lila 紫色 紫 パープル",
    "brown": "brown marrón braun marron brun:fr 棕色 褐色 茶色 ブラウン",
    "beige": "beige 米色 ベージュ", "cream": "cream crema crème 奶油色 クリーム色",
    "olive": "olive oliv oliva 橄榄绿 オリーブ色", "khaki": "khaki caqui kaki 卡其 カーキ",
    "silver": "silver-coloured silbern plateado argenté 银色 シルバー", "gold": "golden dorado dorada doré 金色 ゴールド",
    "turquoise": "turquoise turquesa türkis 青绿 ターコイズ", "burgundy": "burgundy burdeos bordeaux 酒红 ボルドー",
    "mustard": "mustard mostaza senfgelb moutarde 芥末黄 マスタード",
}  # fmt: skip
MATERIALS = {
    "cotton": "cotton algodón baumwoll* coton 棉 綿 コットン",
    "linen": "linen lino leinen lin:fr 亚麻 リネン 麻素材",
    "wool": "wool woollen lana woll* laine 羊毛 ウール", "merino": "merino mérinos 美利奴 メリノ",
    "cashmere": "cashmere cachemir kaschmir cachemire 羊绒 カシミヤ カシミア",
    "silk": "silk seda seide soie 真丝 丝绸 蚕丝 シルク 絹",
    "leather": "leather cuero piel:es leder* cuir 皮革 牛皮 真皮 レザー 本革 革",
    "suede": "suede ante= wildleder daim 麂皮 スエード",
    "polyester": "polyester poliéster 聚酯 涤纶 ポリエステル", "nylon": "nylon nailon 尼龙 ナイロン",
    "elastane": "elastane elastano elasthan élasthanne 氨纶 ポリウレタン",
    "steel": "steel acero stahl* acier 钢 スチール", "stainless": "stainless edelstahl* inox inoxidable inoxydable 不锈钢 ステンレス",
    "iron": "iron= hierro eisen= en-fer de-fer 铁 鉄", "cast-iron": "cast-iron gusseisen* hierro-fundido fundición fonte 铸铁 鋳鉄",
    "aluminium": "aluminium aluminum aluminio 铝 アルミ アルミニウム",
    "brass": "brass latón messing laiton 黄铜 真鍮", "copper": "copper cobre kupfer cuivre 铜 銅",
    "titanium": "titanium titanio titan titane 钛 チタン",
    "silver925": "sterling plata silber argent 纯银 银 シルバー925 純銀 銀",
    "goldmetal": "gold oro gold-plated vergoldet or:fr 镀金 黄金 金メッキ",
    "glass": "glass= vidrio cristal glas*:de verre borosilic* borosilik* 玻璃 ガラス",
    "ceramic": "ceramic cerámica keramik céramique 陶瓷 陶 陶器 セラミック",
    "porcelain": "porcelain porcelana porzellan porcelaine 瓷 磁器", "stoneware": "stoneware gres steinzeug grès 炻器",
    "enamel": "enamel enamelled esmaltad* emaill* émail* 搪瓷 珐琅 ホーロー",
    "plastic": "plastic plástico kunststoff plastique 塑料 プラスチック",
    "silicone": "silicone silicona silikon 硅胶 シリコン シリコーン",
    "rubber": "rubber caucho goma gummi kautschuk caoutchouc 橡胶 ゴム",
    "bamboo": "bamboo bambú bambus bambou 竹 バンブー", "oak": "oak roble eich* chêne 橡木 オーク",
    "walnut": "walnut nogal walnuss noyer 胡桃木 ウォールナット", "beech": "beech de-haya haya-maciza buche= buchen= buchenholz* hêtre 榉木 ブナ",
    "ash": "ash fresno esche frêne 白蜡木 アッシュ材", "pine": "pine pino kiefer* pin:fr 松木 パイン材",
    "birch": "birch abedul birk* bouleau 桦木 バーチ", "acacia": "acacia akazi* 相思木 アカシア", "teak": "teak teca 柚木 チーク",
    "wood": "wood wooden madera holz hölzern* bois 木 天然木 木製",
    "marble": "marble mármol marmor marbre 大理石", "felt": "felt fieltro filz feutre 毛毡 フェルト",
    "canvas": "canvas lona segeltuch toile 帆布 キャンバス", "cork": "cork corcho kork* liège:fr 软木 コルク",
    "jute": "jute yute 黄麻 ジュート", "wicker": "wicker mimbre korbgeflecht osier 藤编 籐",
    "velvet": "velvet terciopelo samt velours 丝绒 天鹅绒 ベルベット", "fleece": "fleece polar 抓绒 フリース",
    "clay": "clay arcilla ton:de argile terracotta 陶土 素焼き",
    "cardboard": "cardboard cartón karton pappe carton 纸板 瓦楞 段ボール",
    "shea": "shea karité sheabutter 乳木果 シアバター", "almond": "almond almendr* mandel* amande 杏仁 アーモンド",
    "aloe": "aloe 芦荟 アロエ", "lavender": "lavender lavanda lavendel lavande 薰衣草 ラベンダー",
    "jojoba": "jojoba 荷荷巴 ホホバ", "argan": "argan argán 摩洛哥坚果 アルガン",
}  # fmt: skip
PROOFS = {
    "organic": "organic organically ecológic* orgánic* ecologic* biológic* bio= biologisch= biologische= biologischem= biologique= 有机 オーガニック 有機", "natural-origin": "all-natural naturrein* 纯天然 無添加",
    "vegan": "vegan vegana vegano végan* cruelty-free tierversuchsfrei* 纯素 ヴィーガン", "waterproof": "waterproof water-resistance ipx* impermeable wasserdicht* imperméable* étanche* 防水",
    "water-repellent": "water-repellent water-resistant wasserabweisend* repelente déperlant* 防泼水 撥水",
    "handmade": "handmade hand-made handcrafted hand-crafted made-by-hand artesanal* hecho-a-mano hecha-a-mano hechos-a-mano hechas-a-mano handgemacht* "
    "handgefertigt* handarbeit von-hand-gefertigt artisanal* fait-main faite-main faits-main fait-à-la-main faite-à-la-main 手工 手作り ハンドメイド",
    "recycled": "recycled reciclad* recycelt* recyclé* 再生材料 再生纤维 再生聚酯 再生塑料 回收 リサイクル",
    "biodegradable": "biodegradable biologisch-abbaubar biodégradable 可降解 生分解",
    "fsc": "fsc", "certified": "certified certificad* zertifizier* certifié* 认证 認証", "gots": "gots", "oeko-tex": "oeko-tex oekotex öko-tex", "ce": "ce-certified ce-marked", "fairtrade": "fairtrade fair-trade",
    "bpa": "bpa", "hypoallergenic": "hypoallergenic hipoalergénic* hypoallergen* hypoallergénique* 低敏 低刺激",
    "dermatologist": "dermatologist dermatological* dermatolog* dermatológic* dermatologi* 皮肤科 皮膚科",
    "dishwasher": "dishwasher lavavajillas spülmaschin* lave-vaisselle 洗碗机 食洗機",
    "microwave": "microwave microondas mikrowell* micro-ondes 微波炉 電子レンジ",
    "induction": "induction inducción induktion* 电磁炉 ih=",
    "machine-washable": "machine-washable machine-wash maschinenwäsche 机洗 洗濯機",
    "gluten": "gluten-free glutenfrei sin-gluten 无麸质 グルテンフリー", "sugar-free": "sugar-free zuckerfrei 无糖 無糖",
    "fragrance-free": "fragrance-free unscented parfümfrei 无香 無香料",
    "warranty": "warranty guarantee garantía garantie 保修 质保 保証",
    "free-shipping": "free-shipping free-delivery ships-free next-day envío-gratis envío-gratuito envíos-gratis versandkostenfrei* kostenlos*-versand gratisversand livraison-gratuite livraison-offerte 包邮 免运费 免费送货 送料無料",
    "returns": "money-back returnable free-returns devolución devoluciones rückgabe* geld-zurück satisfait-ou 无理由 remboursé* 退货 退款 返品 返金",
    "wireless": "wireless inalámbric* kabellos* drahtlos* 无线 ワイヤレス", "bluetooth": "bluetooth 蓝牙",
    "wifi": "wifi wi-fi wlan", "usb-c": "usb-c", "rechargeable": "rechargeable charging:en= charges:en= recharge* recargable* wiederaufladbar* aufladbar* 充电 充電",
    "foldable": "foldable folding plegable* klappbar* faltbar* pliable* pliant* 折叠 可折叠 折りたたみ",
    "adjustable": "adjustable ajustable* regulable* verstellbar* telescop* extensible* réglable* ajustable* 可调 伸缩 調整 調節",
    "removable": "removable extraíble* desmontable* abnehmbar* herausnehmbar* amovible* 可拆 取り外し",
}  # fmt: skip
PLACES = {
    "italy": "italy italian italia italiano italiana italien italienisch* italie 意大利 イタリア",
    "germany": "germany german alemania alemán deutschland deutsch* allemagne allemand 德国 ドイツ",
    "france": "france french francia francés frankreich französisch* français* 法国 フランス",
    "spain": "spain spanish españa español spanien spanisch* espagne espagnol* 西班牙 スペイン",
    "portugal": "portugal portuguese portugués portugiesisch* portugais* 葡萄牙 ポルトガル",
    "japan": "japan japanese japón japonés japanisch* japon japonais* 日本",
    "china": "china chinese chinesisch* chine chinois* 中国", "usa": "american americano amerikanisch* américain* 美国 アメリカ",
    "brazil": "brazil brazilian brasil brasilien brésil 巴西 ブラジル", "colombia": "colombia colombian kolumbien colombie 哥伦比亚 コロンビア",
    "ethiopia": "ethiopia ethiopian etiopía äthiopien éthiopie 埃塞俄比亚 エチオピア", "sweden": "sweden swedish suecia sueco schweden schwedisch* suède suédois* 瑞典 スウェーデン",
    "switzerland": "switzerland swiss suiza schweiz schweizer suisse 瑞士 スイス", "uk": "england english britain british inglés britisch* anglais* 英国 イギリス",
    "india": "india indian indien indisch* inde 印度 インド", "morocco": "morocco moroccan marruecos marokko maroc 摩洛哥 モロッコ",
    "greece": "greece greek grecia griego griechenland grèce grec 希腊 ギリシャ", "turkey": "turkish turquía türkei turquie 土耳其 トルコ",
}  # fmt: skip
# Never allowed, whatever the facts say: superlatives, promises, urgency without ground.
BANNED = {
    "superlative": "best= finest number-one world's-best unbeatable unrivalled world-class perfect ultimate guaranteed el-mejor la-mejor perfecto perfecta insuperable "
    "beste bester bestes besten perfekt unschlagbar le-meilleur la-meilleure parfait parfaite imbattable 最好 最佳 完美 顶级 极致 最高級 最高の 完璧 世界一 一番",
    "urgency": "hurry last-chance selling-fast limited-time ends-soon only-today act-now date-prisa oferta-limitada beeil* nur-heute dépêchez-vous "
    "限时 抢购 赶快 限量 お急ぎ 期間限定 残りわずか",
    "health": "heals= clinically anti-aging anti-ageing miracle cura heilt wunder guérit 治愈 治疗 抗衰老 治る",
    "cliché": "game-changer elevate-your say-goodbye-to must-have",
}  # fmt: skip
KINDS = {"colour": COLOURS, "material": MATERIALS, "proof": PROOFS, "place": PLACES}
# A concept is also supported by these: a stainless-steel bottle is steel; an oak table is wood.
IMPLIES = {
    "oak": "wood", "walnut": "wood", "beech": "wood", "ash": "wood", "pine": "wood", "birch": "wood", "acacia": "wood",
    "teak": "wood", "bamboo": "wood", "merino": "wool", "suede": "leather", "waterproof": "water-repellent",
    "stainless": "steel", "cast-iron": "iron", "stoneware": "ceramic", "porcelain": "ceramic", "clay": "ceramic", "cashmere": "wool",
    "bluetooth": "wireless", "wifi": "wireless", "goldmetal": "gold", "silver925": "silver",
    "navy": "blue", "burgundy": "red", "olive": "green", "felt": "wool",
}  # fmt: skip
# Phrases that hold a form without meaning it.
MASKED = (
    "明白|麻烦|灌木|白天|白色家电|红包|金额|银行|木工|青年|纸巾|竹荪|茶色素|面白い|紙一重|绿篱|绿植|[腮口]红|地铁|高铁|充电[线器宝]|折りたたみ傘|[Ff]eu rouge|[Ff]il rouge|"
    "[Cc]arte blanche|Ton in Ton|(?<=[a-zäöüß] )samt |[Vv]ino (?:tinto|blanco)|[Vv]in (?:rouge|blanc)|red wine|white wine|green tea|black tea|"
    r"(?:im|ins|aus dem) Glas\b|[Gg]olden hour|[Gg]oldene[rn]? Stunde"
)
NUMBER_WORDS = {
    "en": "one two three four five six seven eight nine ten eleven twelve",
    "es": "uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
    "de": "ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    "fr": "un deux trois quatre cinq six sept huit neuf dix onze douze",
}
