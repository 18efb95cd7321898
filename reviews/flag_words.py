"""Words behind the flags, by language: what burns or hurts, what pays for praise, what a platform writes by itself."""

# Regular expressions, matched on case-folded text between word boundaries.
SAFETY = (
    # English
    r"explod(?:e|ed|es|ing)|explosion|blew up|caught (?:on )?fire|(?:on|in) fire|fire hazard|started a fire|house fire|"
    r"burst into flames|flames|smok(?:e|ing) (?:came|coming|out|from|pouring)|started (?:to smoke|smoking)|"
    r"burn(?:ed|t|s) (?:my|our|me|his|her|the|their|your|down|a hole|through|himself|herself|up)|got burn(?:ed|t)|skin burns?|"
    r"(?:chemical|severe|degree|bad|got) burns?|electric(?:al)? shock|electrocut\w+|shocked me|short[- ]circuit\w*|"
    r"chok(?:ed|ing)(?: hazard)?|suffocat\w+|poison(?:ed|ous|ing)?|toxic|carbon monoxide|gas leak\w*|"
    r"hospitali[sz]ed|hospital|emergency room|allergic reaction|anaphyla\w+|injur(?:ed|y|ies)|cut my (?:hand|finger|foot|leg)|"
    r"bleeding|overheat(?:s|ed|ing)?|melted|sharp edges?|glass shards?|shattered in my|unsafe|safety hazard|dangerous|hazardous",
    # German
    r"explodier\w*|explosion|verbrann(?:t|te|ten)|verbrenn\w+|in flammen|fing feuer|feuer gefangen|brand(?:gefahr|geruch|wunde\w*)|brannte|"
    r"stromschlag|elektroschock|kurzschluss|erstick\w+|vergift\w+|giftig\w*|verletz(?:t|te|ung|ungen)|krankenhaus|notaufnahme|"
    r"allergische reaktion|überhitz\w+|geschmolzen|lebensgefähr\w+|gefährlich\w*|qualm\w*|scharfe kanten?",
    # French
    r"expl(?:os\w+)|a pris feu|pris feu|en feu|incendie|brûl(?:é|ée|és|ées|ure|ures|ait)|choc électrique|électrocut\w+|court[- ]circuit|"
    r"étouff\w+|intoxi\w+|toxique|bless(?:é|ée|ure|ures)|hôpital|urgences|réaction allergique|surchauff\w+|fondu|dangereu(?:x|se)",
    # Spanish, Portuguese, Italian
    r"explot(?:ó|o|aron|a|ar|ado)|explosi[óo]n|se incendi[óo]|incendio|se quem[óo] (?:mi|la|el)|quem(?:ó|aduras?|é)|quemó|llamas|"
    r"descarga eléctrica|corto ?circuito|cortocircuito|se ahog[óo]|asfixi\w+|intoxic\w+|tóxic[oa]s?|herid[oa]s?|hospital|"
    r"urgencias|reacción alérgica|sobrecalent\w+|derriti[óo]|peligros[oa]s?|"
    r"explodiu|explosão|pegou fogo|incêndio|queimou|queimadura\w*|choque elétrico|curto[- ]circuito|engasg\w+|sufoc\w+|"
    r"ferid[oa]s?|machucou|pronto[- ]socorro|reação alérgica|superaquec\w+|derreteu|perigos[oa]s?|"
    r"esplos[oaie]\w*|esplod\w+|preso fuoco|andato a fuoco|ustion\w+|bruciat[oa] (?:la|il|mi)|scossa elettrica|folgorat\w+|"
    r"soffoc\w+|ospedale|pronto soccorso|reazione allergica|surriscald\w+|pericolos[oa]",
    # Dutch, Polish, Turkish, Indonesian, Vietnamese
    r"ontplof\w*|geëxplodeerd|vlam gevat|in brand|verbrand|elektrische schok|kortsluiting|gestikt|vergiftig\w+|gewond|ziekenhuis|"
    r"oververhit\w*|gevaarlijk|wybuch\w*|eksplod\w+|zapali\w+ się|pożar|poparz\w+|porazi\w+ prąd\w+|zwarcie|zatru\w+|niebezpieczn\w+|"
    r"patladı|patlama|alev aldı|yangın|yaktı|yandı|elektrik çarp\w+|kısa devre|boğul\w+|zehirlen\w+|yaralan\w+|tehlikeli|"
    r"meledak|ledakan|terbakar|kebakaran|kesetrum|tersetrum|korsleting|tersedak|keracunan|terluka|rumah sakit|berbahaya|"
    r"phát nổ|bị nổ|cháy nổ|bốc cháy|bị bỏng|điện giật|chập điện|ngộ độc|nguy hiểm",
    # Russian, Ukrainian
    r"взорвал\w*|взрыв\w*|загорел\w+|возгоран\w+|пожар\w*|обж[её]г\w*|ожог\w*|удар\w* током|коротк\w+ замыкани\w+|задохн\w+|подавил\w+|"
    r"отрави\w+|токсичн\w+|травм\w+|больниц\w+|опасн(?:о|ый|ая|ое|ые)|вибух\w*|загорі\w+|опік\w*",
    # Arabic, Persian, Urdu, Hindi
    r"انفجر\w*|انفجار|احترق\w*|حريق|اشتعل\w*|حروق|صعق\w*|صدمة كهربائية|كهربني|ماس كهربائي|اختنق\w*|اختناق|تسمم|سام|مستشفى|خطير|خطر|"
    r"आग लग\w*|जल गय\w*|जल गई|फट गय\w*|धमाका|विस्फोट|करंट लग\w*|बिजली का झटका|शॉर्ट सर्किट|ज़हरीला|जहरीला|अस्पताल|खतरनाक",
)
# Between these and other letters there are no word boundaries.
SAFETY_UNSPACED = (
    # Chinese, simplified and traditional
    r"爆炸|炸了|炸裂开|自燃|着火|著火|起火|冒烟|冒煙|烧起来|燒起來|烧伤|燒傷|烫伤|燙傷|烧毁|触电|觸電|漏电|漏電|电击|電擊|短路|窒息|噎住|噎到|"
    r"中毒|有毒|过敏|過敏|割伤|割傷|划伤手|受伤|受傷|流血|住院|进医院|进了医院|送医|危险|危險|安全隐患|安全隱患|过热|發燙|烧焦|燒焦",
    # Japanese
    r"爆発|発火|出火|発煙|煙が出|火が出|燃え(?:た|上が|出)|火事|火傷|やけど|ヤケド|感電|漏電|ショートし|窒息|誤飲|喉に詰ま|中毒|有毒|アレルギー反応|"
    r"怪我|ケガ|けがを|出血|病院|救急|危険|焦げた|溶けた|過熱",
    # Korean
    r"폭발|터졌|터져|불이 ?났|불이 ?붙|화재|연기가 ?나|연기가 ?났|화상|데었|감전|누전|합선|질식|목에 ?걸|중독|유독|알레르기 ?반응|다쳤|부상|피가 ?났|"
    r"병원|응급실|위험|과열|녹았|탔어요",
    # Thai
    r"ระเบิด|ไฟไหม้|ไฟลุก|ไฟดูด|ไฟช็อต|ลัดวงจร|บาดเจ็บ|อันตราย|โรงพยาบาล",
)
# Idioms and harmless uses: what lies inside one of these isn't reported.
HARMLESS = (
    r"fire (?:my|the|your|his|her|their|that) (?:boss|seller|manager|employee|staff|designer|courier|driver)|fire ?sale|"
    r"amazon fire|fire (?:tv|stick|tablet|hd|7|10|pit|red|works?|place|man|men|fly|proof|wall)|fire[- ]?proof|camp ?fire|fireplace|"
    r"(?:this|it|that|shoes|outfit|look|colou?r|design|fit|bass|beat)s? (?:is|are|'s|was) (?:so |just |pure |straight )?(?:on )?fire|looks? (?:like )?fire|"
    r"(?:sales|i'?m|we'?re|team) (?:are |is )?on fire|like (?:a )?house on fire|explod(?:e|es|ed|ing) (?:with|of|in) (?:flavou?r|colou?r|taste|joy|popularity)|"
    r"(?:explosion|burst) of (?:flavou?r|colou?r|taste|joy)|flavou?r explosion|mind(?:s)? (?:is |was )?(?:exploded|blown)|price explosion|"
    r"burn(?:ed|t|s|ing)? (?:a |the )?(?:calories|fat|cd|dvd|disc|candle|rubber|money|wallet)|burn(?:ed|t)? (?:a hole in|through) my (?:pocket|wallet)|"
    r"(?:shocked|shocking) (?:me )?(?:by|at|how|that|with) |blew up (?:the |an? )?(?:balloon|air ?bed|mattress|pool|photo)|"
    r"(?:non|not|isn'?t|never|no|without|free of|zero)[- ](?:toxic|dangerous|hazardous|poisonous|flammable|overheat\w*|smoke|sharp edges?)|non[- ]?toxic|anti[- ]?choking|"
    r"(?:doesn'?t|does not|didn'?t|did not|don'?t|do not|won'?t|never|no|not|without) (?:\w+ ){0,2}(?:overheat\w*|explod\w*|melted?|burn\w*|catch\w* fire|short[- ]circuit\w*|chok\w*|smok\w*)|"
    r"(?:works?|nurse|doctor|job|bag|trip|stay|delivery|pregnan\w+)[\w ]{0,20} hospital|hospital (?:bag|stay|gown|bed|corners?|grade|visit)|melted (?:cheese|chocolate|butter|my heart)|"
    r"smok(?:e|ing) (?:detector|alarm|grill|meat)|toxic (?:people|work\w*|relationship|ex)|injury (?:recovery|prevention)|"
    r"preisexplosion|nicht (?:\w+ )?(?:gefährlich|giftig|explodiert|überhitzt)|ungiftig\w*|un(?:gefährlich)\w*|feuer und flamme|"
    r"pas (?:\w+ )?(?:dangereu\w+|toxique|brûl\w+|surchauff\w+)|sans danger|explosion de (?:saveurs?|couleurs?|goûts?)|"
    r"no (?:es |son |se )?(?:\w+ )?(?:peligros\w+|tóxic\w+|quem\w+|explot\w+)|explosión de (?:sabor\w*|color\w*)|explosão de (?:sabor\w*|cor\w*)|"
    r"não (?:é |são )?(?:\w+ )?(?:perigos\w+|tóxic\w+)|gak berbahaya|tidak berbahaya|взрыв (?:вкуса|эмоций|мозга)|не опасн\w+|не взрыва\w+"
)
HARMLESS_UNSPACED = (
    r"(?:不|没有?|無|无|没有任何|沒有?)(?:会|會)?(?:危险|危險|有毒|过敏|過敏|短路|漏电|漏電|着火|起火|冒烟|爆炸|过热|中毒|烫伤|安全隐患)|无毒|無毒|防(?:触电|爆炸|漏电|过敏|中毒)|"
    r"性价比爆炸|好评爆炸|颜值爆炸|爆炸好|爆炸(?:头|性的?好)|销量爆炸|人气爆炸|火爆|抗过敏|危険(?:は|が)?(?:ない|無い|ありません|なし)|危険性(?:は|が)?(?:ない|低)|"
    r"人気爆発|爆発的|病院で(?:使|履|働)|위험(?:하지|이 없|은 없)|위험성이 없|병원에서 (?:일|신|쓰)|인기 ?폭발|폭발적"
)

# Something for a review, or a way to get in touch outside the shop.
INCENTIVE = (
    r"(?:free|discounted|complimentary) (?:product|item|sample)s? (?:in exchange|in return|for (?:my|an?|this|honest))|in exchange for (?:an?|my|this|your) (?:honest |unbiased |fair |5[- ]star |positive )*(?:review|opinion|feedback)|"
    r"in return for (?:an?|my|this) (?:\w+ )*review|gift ?card (?:for|if|after)[\w ]{0,30}review|(?:refund|cash ?back|voucher|coupon|rebate) (?:for|if|after|when)[\w ]{0,30}(?:review|stars?)|"
    r"(?:leave|write|post|give) (?:a |us )?(?:5|five)[- ]star[\w ]{0,40}(?:refund|cash ?back|gift|voucher|coupon|money)|paid (?:me )?(?:for|to write) (?:a |this |the )?review|"
    r"gutschein für[\w ]{0,20}(?:bewertung|rezension)|für (?:eine|diese|die) (?:\w+ )?(?:bewertung|rezension) (?:erhalten|bekommen)|kostenlos(?:es)? (?:zum test|testprodukt|zur verfügung gestellt)|produkttester|"
    r"en échange d['’]un (?:avis|commentaire)|produit (?:offert|gratuit) (?:pour|contre)|a cambio de (?:una|mi|esta) (?:reseña|opinión|valoración)|reembolso por[\w ]{0,20}reseña|"
    r"em troca de (?:uma|minha) (?:avaliação|resenha)|in cambio di (?:una|questa) recensione|cashback untuk (?:ulasan|review)|за отзыв (?:дали|вернули|подарили)|кэшбэк за отзыв|кешбэк за отзыв"
)
INCENTIVE_UNSPACED = (
    r"返现|返現|返\d+元|好评返|好評返|晒图返|五星好评截图|好评截图|截图返|写好评(?:送|返|有)|好评(?:送|有礼)|刷单|刷好评|红包.{0,6}好评|好评.{0,6}红包|免单.{0,8}好评|"
    r"レビュー(?:で|を書いて|投稿で|特典|キャンペーン).{0,12}(?:プレゼント|もらえ|キャッシュバック|割引|返金|クーポン|特典)|レビュー特典|サクラレビュー|商品提供|無償提供|"
    r"리뷰 ?(?:작성|쓰면|이벤트).{0,12}(?:증정|적립|쿠폰|캐시백|환급|상품권)|협찬(?:받|을 받|으로)|체험단|제품을 제공 ?받|무상으로 ?제공"
)
CONTACT = (
    r"(?:add|text|message|msg|dm|contact|write|call|reach|hit) (?:me|us|him|her) (?:up )?(?:on|at|via|by|in|through) |whats ?app|telegram|t\.me|signal me|we ?chat|line id|kakao(?:talk)? id|skype|"
    r"(?:instagram|insta|ig|tiktok|snapchat|facebook)\s?[:@]|follow me (?:on|at)|dm (?:me|us)|schreib(?:t|en sie)? mir|kontaktier\w* mich|contactez[- ]moi|écrivez[- ]moi|escríbeme|contáctame|"
    r"me chama no|chama no zap|contattami|hubungi (?:saya|kami|wa)|пишите (?:мне|в)|напишите мне|ватсап|телеграм"
)
CONTACT_UNSPACED = (
    r"加(?:我)?(?:的)?(?:微信|微|vx|v信|qq|扣扣|薇信|威信)|(?:微信|vx|薇信|v信|qq|扣扣)(?:号|群)?\s?[:：]?\s?[a-z0-9_-]{5,}|私聊我|联系我(?:微信|qq|加)|加群|"
    r"ライン(?:id|交換|追加)|line(?:id|追加)|카톡 ?(?:아이디|추가|주세요)|카카오톡 ?(?:아이디|추가)|오픈채팅"
)

# The whole text is the platform's, written when the shopper wrote nothing; folded as `words.fold` does.
PLATFORM = (
    "此用户没有填写评价", "此用户没有填写评论", "此用户未填写评价内容", "该用户没有填写评价", "该用户未填写评价", "该用户觉得商品非常好给出5星好评",
    "用户未填写评价内容", "评价方未及时做出评价系统默认好评", "评价方未及时做出评价系统默认好评!", "系统默认好评", "系统默认评价", "默认好评", "默认评价",
    "买家未作出评价系统默认好评", "用户默认好评", "此用戶沒有填寫評價", "該用戶沒有填寫評價", "預設好評", "系統預設好評", "系統默認好評", "默認好評",
    "暂无评价", "用户未及时评价系统默认好评", "买家没有写评价", "15天内买家未作出评价", "买家超时未作出评价系统默认好评",
    "レビューなし", "コメントなし", "コメントはありません", "レビュー本文なし", "本文なし", "レビュー本文はありません", "評価のみ",
    "작성된 리뷰가 없습니다", "내용 없음", "내용없음", "리뷰 내용 없음", "구매자가 작성한 내용이 없습니다", "별점만 등록된 리뷰입니다", "자동 구매확정", "자동으로 등록된 리뷰입니다",
    "no review text", "no comment", "no comments", "no text", "no review", "the customer left no comment", "customer left no comment",
    "this customer left no comment", "this user left no comment", "the user didn't write a review, and has left just a rating",
    "the user didnt write a review and has left just a rating", "buyer left no comment", "rating only", "no written review",
    "this review has no text", "automatic feedback", "automatic positive feedback", "order delivered on time with no issues",
    "kein kommentar", "kein text", "ohne kommentar", "keine bewertung abgegeben", "der kunde hat keinen kommentar hinterlassen",
    "sans commentaire", "pas de commentaire", "aucun commentaire", "sin comentarios", "sin comentario", "sem comentários", "sem comentário",
    "nessun commento", "geen commentaar", "brak komentarza", "yorum yok", "tidak ada ulasan", "tidak ada komentar", "без комментариев", "нет комментария", "بدون تعليق", "لا يوجد تعليق",
)  # fmt: skip

# Words a question begins with; with a question mark the whole text must be questions anyway.
ASKS_UNSPACED = (
    r"(?:吗|嗎|呢|么|麼|能不能.*|有没有.*|是不是.*|ですか|ますか|でしょうか|나요|까요|습니까|인가요|ไหม|มั้ย)$"
)

# Orders to a machine that reads the text. Narrow on purpose: each names the machine's instructions, or says which verdict
# a review is to be given; "mark this as a gift" and "ignore the bad reviews" are none.
ORDERS = (
    # English
    r"(?:ignore|disregard|forget|override) (?:all |any |the |these |your |of )*(?:(?:previous|prior|above|earlier|preceding|system|original|safety) )+"
    r"(?:instructions?|prompts?|rules|directions|messages|guidelines|text)|(?:ignore|disregard|forget|override) (?:all |any |your )+(?:instructions?|prompts?|rules|guidelines)|"
    r"(?:mark|rate|label|classify|score|treat|flag|tag|count|judge) (?:this|the|my)(?: following)? (?:review|text|comment|feedback|message|input) (?:as|with) (?:a |an )?"
    r"(?:very |strongly )?(?:positive|negative|neutral|\w+[- ]stars?|[1-5](?:/5)?$)|"
    r"you are (?:now )?(?:an? |the )?(?:ai|assistant|language model|llm|chat ?bot|classifier)|(?:reveal|print|repeat|show)(?: me)? (?:your |the )?(?:system )?(?:prompt|instructions)|"
    r"(?:respond|answer|reply|output)(?: only)? with (?:only )?(?:the word|\W?(?:positive|negative)\W?|json)|<\|?(?:system|im_start|endoftext)\|?>|\[/?inst\]",
    # German, French
    r"(?:ignorier\w*|vergiss|missachte\w*) (?:bitte )?(?:alle |die |deine |sämtliche )*(?:vorherigen|bisherigen|obigen|früheren)? ?(?:anweisungen|instruktionen|befehle|regeln)|"
    r"(?:markier\w*|bewerte\w*|stufe|werte) diese (?:bewertung|rezension)(?: bitte)? als (?:positiv|negativ|neutral)|du bist (?:jetzt )?(?:eine? )?(?:ki|assistent|sprachmodell)|"
    r"(?:ignore[zr]?|oublie[zr]?) (?:toutes )?(?:les |tes |vos )(?:instructions|consignes|règles)(?: précédentes)?|(?:marque|note|classe)[zr]? cet avis comme (?:positif|négatif|neutre)|"
    r"(?:tu es|vous êtes) (?:maintenant )?(?:une? )?(?:ia|assistant|modèle de langage)",
    # Spanish, Portuguese, Italian
    r"(?:ignor[ae]|olvida) (?:todas )?(?:las |tus )?(?:instrucciones|reglas|indicaciones)(?: anteriores| previas)?|(?:marca|califica|clasifica) esta (?:reseña|opinión) como (?:positiva|negativa|neutra\w*)|"
    r"(?:ignore|esqueça|desconsidere) (?:todas )?(?:as |suas )?(?:instruções|regras)(?: anteriores)?|(?:marque|classifique|avalie) esta (?:avaliação|resenha|análise) como (?:positiva|negativa|neutra)|"
    r"(?:ignora|dimentica) (?:tutte )?(?:le |tue )*(?:istruzioni|regole)(?: precedenti)?|(?:segna|classifica|valuta) questa recensione come (?:positiva|negativa|neutra)",
    # Dutch, Polish, Turkish, Indonesian, Vietnamese, Russian
    r"negeer (?:alle |de )?(?:vorige |eerdere )?(?:instructies|regels)|zignoruj (?:wszystkie )?(?:poprzednie )?(?:instrukcje|polecenia)|"
    r"önceki (?:tüm )?(?:talimatları|komutları) (?:yok say|unut|görmezden gel)|(?:abaikan|lupakan) (?:semua )?(?:instruksi|perintah|aturan)(?: sebelumnya| di atas)?|"
    r"tandai (?:ulasan|review) ini sebagai (?:positif|negatif|netral)|bỏ qua (?:mọi |các |tất cả )*(?:hướng dẫn|chỉ thị)(?: trước)?|"
    r"(?:игнорируй\w*|забудь\w*) (?:все |эти )?(?:предыдущие |прошлые )?(?:инструкции|указания|правила)|(?:отметь\w*|оцени\w*) этот отзыв как (?:положительный|отрицательный|нейтральный)",
)
ORDERS_UNSPACED = (
    r"(?:忽略|无视|無視|忘记|忘記|忽視)(?:掉|了)?(?:你)?(?:之前|以上|上面|前面|先前|所有|全部|一切)+的?(?:所有|全部)?(?:指令|指示|提示|规则|規則|要求|命令)|"
    r"(?:把|将|將|请把|請把)?(?:这|這|本|此)(?:条|條|个|個)?(?:评论|評論|评价|評價)(?:标记|標記|标|评|判|归类|分类)(?:为|為|成|作)(?:正面|负面|負面|好评|好評|差评|差評|中性|五星)|你(?:现在|現在)?是(?:一个|一個)?(?:AI|人工智能|语言模型|語言模型|机器人)|"
    r"(?:これまで|以前|上記|前|すべて)の(?:すべての|全ての)?(?:指示|命令|プロンプト|ルール)(?:を|は)(?:すべて)?(?:無視|忘れ)|このレビューを(?:肯定的?|否定的?|ポジティブ|ネガティブ|高評価)(?:と|に|として)|"
    r"(?:이전|위의|앞의|모든)\s?(?:모든\s?)?(?:지시|명령|지침|프롬프트)(?:사항)?(?:를|을|은|는)?\s?(?:모두\s?)?(?:무시|잊)|이\s?리뷰를\s?(?:긍정|부정|중립)"
)
