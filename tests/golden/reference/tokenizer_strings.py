"""The strings of the case `tokenizer`, in named groups.

Everything medical in them is invented: names, values and doses mean nothing.
"""

import random
import unicodedata

SEED = 23
MIXED = 180  # strings put together at random

PLAIN = [
    "", " ", "a", "Z", "0", ".", "cough", " cough", "cough ", " cough ", "Cough", "COUGH", "coughcough", "xyzzyq",
    "The patient has a cough.", "the patient has a cough", "The  patient   has    a     cough.",
    "Patient: 54 y/o male, SOB x3 days, SpO2 88 % on RA.", "BP 140/90 mmHg, HR 102 bpm, RR 24/min, T 38.9 °C",
    "Hb 7.2 g/dL (low), WBC 15.6 ×10⁹/L (high), CRP 112 mg/L", "K+ 5.9 mmol/L; Na+ 128 mmol/L; pH 7.21; pCO₂ 58 mmHg",
    "amoxicillin/clavulanate 875 mg/125 mg PO BID × 7 d", "0.9% NaCl 500 mL IV over 30 min", "ICD-10: J18.9, E11.621, I10",
    "SNOMED CT 233604007 |Pneumonia|", "LOINC 718-7", "insulin glargine 18 IU s.c. at 22:00", "µg vs μg", "±2.5 SD, ≥ 3, ≤ 5, ≠ 0",
    "1", "12", "123", "1234567890", "3.14159", "1,234,567.89", "-40", "+5", "1e-6", "0x1F", "½ tablet", "10⁻³", "①②③", "٣٤٥", "४५६",
    "2024-02-29T23:59:59Z", "50%", "$3.50", "#1", "a@b.org", "https://example.org/a?b=c&d=%20#e", "C:\\data\\scan.dcm", "/usr/local",
    '{"resourceType":"Observation","status":"final"}', "<html><body>x</body></html>", "```json\n[]\n```", "**bold** _it_ ~~no~~",
    "fever\tcough", "fever\n", "\nfever", "fever\ncough", "fever\r\ncough", "fever\r", "\t", "\t\t", " \t ", "\r", "\x0b", "\x0c",
    "\x00", "a\x00b", "\x01\x02\x03", "\x1b[31mred\x1b[0m", "\x7f", "\x80", "\x85", "\u00a0", "a\u00a0b", "\u2003", "\u2028", "\u2029",
    "\u3000", "\u200b", "\ufeff", "\ufeffabc", "\u202eabc", "\ufffd", "\uffff", "\U0010ffff", "\ue000",
    "मरीज को बुखार है", "मरीज", "क्षत्रिय", "श्री", "खांसी।", "क\u094d\u200dष", "क\u094d\u200cष", "नमस्ते दुनिया", "हृदय गति ७२",
    "المريض يشكو من ألم", "ألم", "لا", "ﻻ", "بُخَارٌ", "\u0627\u0644\u0633\u0644\u0627\u0645", "עברית", "فارسی می\u200cخواهم",
    "患者发热三天", "肺炎", "無胸痛", "ひらがなカタカナ漢字", "한국어 환자", "ภาษาไทย", "Tiếng Việt", "ไม่มีไข้", "አማርኛ", "தமிழ்", "বাংলা", "Ελληνικά", "Русский", "ქართული",
    "😀", "😀😀😀", "👍🏽", "👩🏾‍⚕️", "👨‍👩‍👧‍👦", "🏥 🩺 💊", "❤️", "❤", "🇰🇪", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "a😀b", " 😀 ",
    "é", "e\u0301", "ñ", "n\u0303", "ﬁ", "Å", "Å", "ß", "ẞ", "İ", "ı", "Ǆ", "\u0301", "\u0300\u0301\u0302",
    "naïve café", "Zürich", "œdème", "fièvre et tousse", "El paciente tiene fiebre", "Mgonjwa ana homa",
    "...", "....", "---", "----------", "====", "****", "____", "!!!!!", "?!?!", "\"quoted\"", "'single'", "‘curly’ “double”", "–—", "•", "†", "™®©",
    "aaaaaaaaaaaaaaaaaaaaaaaa", "eeeeee", "ssssss", "abababababab", "lllllllllllllllll", "0000000000000",
    "\u0915" * 9, "😀" * 5, "the the the the", "a b c d e f g", "a  b  c", "a b",
    "<0x41>", "<0x0A>", "<0xFF>", "<0x4", "0x41>", "<unused", "<unused99>", "<unused0", "unused0>", "<bos", "bos>", "< bos>", "<bos >", "<BOS>",
    "<start_of_turn", "start_of_turn>", "<start_of_turn >", "<<bos>>", "<<start_of_turn>>", "<s>", "</s>", "[PAD7]", "[multimodal", "[UNK]",
]

CHAT_LIKE = [
    "<bos><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n",
    "<start_of_turn>user\n\n\n<start_of_image>" + "<image_soft_token>" * 4 + "<end_of_image>\n\nDescribe<end_of_turn>\n",
    "<unused94>thought\nThe heart looks large.<unused95>The heart is enlarged.",
    "<start_of_turn>user<start_of_turn>", "<end_of_turn><end_of_turn>", "<start_of_turn>\n\n<end_of_turn>\n\n\n\n",
    "a<eos>b", " <eos> ", "  <eos>  ", "\n<eos>\n", "<pad><pad><pad>", "<unk>", "a<unk>b", "<mask> <mask>", "<bos><bos>", "[multimodal] x",
    "x<image_soft_token>y", "<image_soft_token><image_soft_token>", "<start_of_image><start_of_image>",
]

LITERAL_SPACE_MARKS = [
    "\u2581", "a\u2581b", "\u2581a", "a\u2581", "\u2581\u2581", "a\u2581\u2581b", "\u2581\u2581\u2581", " \u2581", "\u2581 ", "a \u2581b",
    "\u2581" * 8, "\u2581" * 9, "The\u2581patient", "The\u2581 patient",
]

BONES = "humerus, ulna, radius, clavicle, scapula, femur, tibia, fibula, patella, mandible, sternum, sacrum, calcaneus, third metatarsal".split(", ")
ORGANS = "left lower lobe, right hilum, liver, spleen, pancreas, gallbladder, left kidney, aortic arch, mitral valve, frontal sinus, optic disc, cornea".split(", ")
FINDINGS = "opacity, fracture, effusion, calcification, oedema, nodule, lucency, stenosis, atelectasis, haematoma, ulcer, thickening".split(", ")
SYLLABLES = "fe na tu lex bra vo min dor xil ka po zu rin ax ti mel qua sol ben vir oz ur gly pho sta cor".split()
ANALYTES = "Hb, WBC, PLT, Na+, K+, Cl-, HCO3-, urea, creatinine, eGFR, ALT, AST, ALP, GGT, bilirubin, albumin, CRP, ESR, TSH, fT4, HbA1c, INR, aPTT, D-dimer, troponin T, lactate, pH, pCO₂, pO₂, Ca²⁺, PO₄³⁻, β-hCG".split(", ")
# Units of UCUM, and as people write them.
UNITS = """mg g kg µg ug mcg μg ng pg mL L dL µL uL fL mmol mol µmol nmol pmol mmHg mm[Hg] cmH2O kPa Pa °C Cel ℃ °F [degF] K mg/dL g/dL g/L
mmol/L umol/L µmol/L mEq/L meq/L U/L IU/L [iU]/L mIU/L µIU/mL ng/mL pg/mL ng/dL 10*9/L 10*3/uL 10^9/L ×10⁹/L x10⁹/L ×10¹²/L 10⁶/µL % ‰ /min min-1 min⁻¹ bpm
breaths/min mL/min/1.73m² mL/min/{1.73_m2} kg/m² kg/m2 m² cm² mm³ cm mm µm nm Å mL/kg/h mg/kg/d µg/kg/min mcg/min mOsm/kg mOsm/L Hz kHz MHz mSv Gy mGy·cm HU dB
ms s min h d wk mo a {beats}/min {cells}/uL [pH] 1 L/min mL/h mmHg·s Ω kΩ V mV W kcal kJ J N·m lx cd mol·L⁻¹ g·dL⁻¹ °""".split()
HINDI = "मरीज बुखार खांसी सीने में दर्द साँस फेफड़ा हृदय रक्तचाप दवा सुबह शाम दिन सप्ताह गर्भवती बच्चा पानी आराम अस्पताल डॉक्टर क्षय ज्वर श्वास हृदयाघात मधुमेह यकृत गुर्दा त्वचा आँख कान नाक गला पेट हड्डी टूटी सूजन घाव संक्रमण उल्टी दस्त कमजोरी चक्कर पीलिया मलेरिया टीका".split()
ARABIC = "مريض حمى سعال ألم صدر ضيق تنفس قلب رئة كبد كلية دواء صباحا مساء يوم أسبوع حامل طفل ماء راحة مستشفى طبيب ضغط الدم سكري جلد عين أذن أنف حلق بطن عظم كسر تورم جرح عدوى قيء إسهال ضعف دوار يرقان لقاح".split()
HARAKAT = "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652\u0670"
CHINESE = "患者 发热 咳嗽 胸痛 呼吸困难 血压 心率 肺炎 糖尿病 高血压 骨折 左侧 右侧 肝脏 肾脏 脾脏 心脏 阴影 积液 结节 钙化 水肿 头晕 呕吐 腹泻 黄疸 疫苗 孕妇 儿童 药物 每日 三次 饭后 复查 无 未见 明显 异常 双肺 清晰".split()
OTHER_SCRIPTS = """রোগীর জ্বর আছে|ਮਰੀਜ਼ ਨੂੰ ਬੁਖਾਰ|દર્દીને તાવ|ରୋଗୀର ଜ୍ୱର|நோயாளிக்கு காய்ச்சல்|రోగికి జ్వరం|ರೋಗಿಗೆ ಜ್ವರ|രോഗിക്ക് പനി|රෝගියාට උණ|ผู้ป่วยมีไข้|ຄົນເຈັບມີໄຂ້|လူနာ ဖျားနေသည်
អ្នកជំងឺក្តៅខ្លួន|ནད་པ|өвчтөн|ᠡᠪᠡᠳᠴᠢᠲᠡᠨ|ታካሚው ትኩሳት አለው|სიცხე აქვს|հիվանդը ջերմություն ունի|לחולה יש חום|שָׁלוֹם|Ασθενής με πυρετό|Η πίεση είναι φυσιολογική|У пациента жар|Пацієнт має гарячку|Ћирилица
환자는 열이 있습니다|기침과 가슴 통증|ㅎㅏㄴㄱㅡㄹ|\u1112\u1161\u11ab|患者は熱がある|せきと胸の痛み|ｶﾀｶﾅ ﾊﾝｶｸ|ＡＢＣ１２３|ꯃꯤꯇꯩ|ᱥᱟᱱᱛᱟᱲᱤ|ߒߞߏ|𞤀𞤣𞤤𞤢𞤥|ⵜⴰⵎⴰⵣⵉⵖⵜ|ᏣᎳᎩ|ᐃᓄᒃᑎᑐᑦ|ܣܘܪܝܝܐ|ދިވެހި|ꦧꦱꦗꦮ|ᮘᮞ|𐌰𐌱|𓀀𓂀|𒀀|𝒞𝓁𝒾𝓃𝒾𝒸|𝐁𝐏 𝟏𝟐𝟎|Bệnh nhân bị sốt|Hastanın ateşi var
Pacjent ma gorączkę|Pacient má horúčku|A betegnek láza van|Sjúklingurinn er með hita|Pasienten har feber|Potilaalla on kuumetta|Patsiendil on palavik|Pacientam ir drudzis|Ọmọ náà ní ibà|Yara na da zazzaɓi|Onye ọrịa nwere ahụ ọkụ|Umuntu ufite umuriro""".replace("\n", "|").split("|")
FACES = "😀 😷 🤒 🤕 🤢 🥵 🥶 😴 😭 💀 🩸 💉 💊 🩹 🩺 🩻 🏥 🚑 🧬 🔬 🧪 🫀 🫁 🧠 🦷 🦴 👁 👂 ♿ ⚕ ☠ ✅ ❌ ⚠ ➕ ⭐ 🟥 🔴".split()
HANDS = "👍 👎 👋 🤚 🙏 👶 👧 👨 👩 👴 👵 🧑".split()
TONES = [chr(c) for c in range(0x1F3FB, 0x1F400)]
FAMILIES = ["👨‍👩‍👧", "👨‍👩‍👧‍👦", "👩‍👩‍👦", "👨‍⚕️", "👩‍⚕️", "🧑‍⚕️", "👩🏿‍⚕️", "👨🏻‍🔬", "🧑🏽‍🦽", "👩‍🦯", "🏳️‍🌈", "🏳️‍⚧️", "🐕‍🦺", "👁️‍🗨️", "❤️‍🩹", "❤️‍🔥", "🧑‍🤝‍🧑", "👩🏽‍🤝‍👨🏿", "👨‍", "‍👩", "👨‍‍👩", "👨\u200c👩"]
FORMAT_MARKS = "\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2066\u2067\u2068\u2069\ufeff\ufff9\ufffb"
COMPOSED = "é è ê ë á à â ä ã å ç ñ ö ő ø ü ű ś š ž ż đ ğ ı İ ș ț ệ ộ ữ ằ ẫ Å Ω ΐ ή й ё ї が ば パ 각 한 값 क़ ड़ ো ொ ආ ཱི ﬁ ﬃ ² ½ ① ㎎ ㎖ ㎍ ℃ Ａ ｶﾞ שׁ أ إ آ لا ﷺ ẛ̣ ḍ̇ q̣̇".split()
SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\x85\x0b\x0c"
TAGS = "table caption thead tbody tfoot tr th td h1 h2 h6 blockquote strong em b i u s sub sup code a html body img span bbox ul li div iframe footer p br hr script".split()
CODE = r"""{"a": 1}
{"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]}}
{"list":[1,2.5,-3e-7,null,true,false,"\u00e9\n\t\"\\"]}
[[], {}, [{}], ""]
{"finding": "opacity", "side": "left", "confidence": 0.75}
fn main() { println!("{}", 1 + 1); }
let x: Vec<u8> = (0..=255).collect();
def f(x, *args, **kw): return x if x else None
for (int i = 0; i < n; ++i) { a[i] += b[i] * c; }
SELECT id, name FROM patient WHERE age >= 65 AND sex = 'F';
if [ -f "$HOME/.x" ]; then echo "yes" | tee -a log; fi
#include <stdint.h>
const f = async (x) => await g(x ?? `${y}`);
x = y === z ? a && b : !c || ~d ^ e;
<?xml version="1.0" encoding="UTF-8"?><a b="c"/>
MSH|^~\&|LAB|HOSP|||202401010830||ORU^R01|1|P|2.5
OBX|1|NM|718-7^Hemoglobin^LN||9.8|g/dL|12.0-16.0|L
PID|||123456^^^H&2.16.840.1^MR||DOE^JANE
key: value
- item: "a"  # note
\begin{equation} E = mc^2 \end{equation}
$\frac{1}{2}$ and \(x_{i}^{2}\)
| a | b |
|---|---|
## Findings
1. First
* **Impression:** none
[link](https://example.org/a_b?c=d&e=%20)
^(?:[A-Z]\d{2}(?:\.\d{1,4})?)$
0x7fff_ffff 0b1010 0o17 1_000_000u64
a->b::c<d>&&e||f<<2>>1
@media (max-width: 360px) { .a > .b { color: #fff; } }
\u0041 \x41 \n \t \\ \0
%s %d %5.2f {0} {name!r:>10}
<!-- comment --> <![CDATA[x]]>
&lt;eos&gt; &amp; &nbsp; &#60;bos&#62;
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA
-----BEGIN CERTIFICATE-----
192.168.0.1:8080 ::1 fe80::1%eth0
2024-01-31T08:30:00+05:30""".split("\n")
WORDS = "pneumonoultramicroscopicsilicovolcanoconiosis|hexakosioihexekontahexaphobia|sternocleidomastoideus|Donaudampfschifffahrtsgesellschaft|electroencephalographically".split("|")


def control_tokens(tokens):
    """The marks among `tokens`: what text from outside must never become."""
    names = {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]", "<start_of_turn>", "<end_of_turn>", "<start_of_image>",
             "<end_of_image>", "<image_soft_token>"}
    return [t for t in tokens if t in names or t.startswith("<unused") and t.endswith(">") and t[7:-1].isdigit()]


def groups(tokens, corpus):
    """Strings by group; none is in two. tokens: [id] token texts. corpus: what the vocabulary was trained on."""
    rng = random.Random(SEED)
    marks = control_tokens(tokens)
    found = {
        "plain": PLAIN + [line for line in corpus if line], "chat": CHAT_LIKE, "space_marks": _space_marks(), "special": _special(marks),
        "medical": _medical(rng), "numbers": _numbers(rng), "units": _units(rng), "devanagari": _devanagari(rng), "arabic": _arabic(rng),
        "chinese": _chinese(rng), "scripts": OTHER_SCRIPTS + _alphabets(), "emoji": _emoji(rng), "control_characters": _control_characters(),
        "invisible": _invisible(), "normal_forms": _normal_forms(), "white_space": _white_space(), "html": _html(),
        "code": CODE + ["\n".join(CODE[n : n + 3]) for n in range(0, 39, 3)], "byte_fallback": _byte_fallback(rng), "long": _long(rng),
        "mixed": _mixed(rng, tokens, corpus),
    }
    seen = set()
    for name, strings in found.items():
        found[name] = [s for s in dict.fromkeys(strings) if s not in seen]
        seen.update(strings)
    return found


def _space_marks():
    mark, out = "\u2581", [*LITERAL_SPACE_MARKS]
    out += [left + mark * n + right for n in (1, 2, 3) for left in ("", "a", " ", "\n") for right in ("", "b", " ", "\n")]
    return out + [" " * n + mark + " " * m for n in (0, 1, 2) for m in (0, 1, 2)] + [f"{mark}the patient", f"the{mark}patient{mark}has", f"x{mark}\n{mark}y"]


def _special(marks):
    out = list(marks)
    for t in [t for t in marks if not t.startswith("<unused")] + ["<unused0>", "<unused1>", "<unused10>", "<unused94>", "<unused98>"]:
        out += [f"a{t}b", f" {t} ", f"\n{t}\n", t + t, t[:-1], t[1:], t[0] + t, t + t[-1], f"{t[0]} {t[1:]}", t[:4] + "\u200b" + t[4:], t.upper(),
                f"x {t}{marks[1]}", t[:-1] + t, t.replace("<", "&lt;").replace(">", "&gt;"), f'{{"text":"{t}"}}', t[:5] + "\n" + t[5:]]
    return out + [f"<unused{n}>" for n in ("", "00", "01", "99", "100", "999", "6242", "-1", "1x", "١")] + ["<0x00>", "<0x41><0x42>", "<0x4g>", "<0xff>"]


def _medical(rng):
    def name(n):
        return "".join(rng.sample(SYLLABLES, n)).capitalize()

    out = [f"{rng.choice(('Left', 'Right', 'No', 'Small', 'Old'))} {finding} of the {place}." for place in BONES + ORGANS for finding in rng.sample(FINDINGS, 3)]
    out += [name(n) for n in (2, 3, 4) for _ in range(14)]
    out += [f"{name(3)} {rng.choice((5, 85, 7.5, 1200))} {rng.choice(('mg', 'µg', 'mL', 'IU'))} {rng.choice(('PO', 'IV', 'b.i.d.', 'q8h', 'at night'))}" for _ in range(50)]
    out += [f"{a}: {rng.uniform(0.1, 200):.{rng.randint(0, 2)}f} {rng.choice(UNITS)} {rng.choice(('(H)', '(L)', '', '*', '[3.5-5.1]'))}".strip() for a in ANALYTES for _ in range(3)]
    return out + [f"{rng.randint(0, 99)}{x} {sex}, {rng.choice(FINDINGS)} since {rng.randint(2, 40)} d" for x in ("y", "-year-old", " yo", "/12") for sex in ("M", "F", "♂", "♀")]


def _numbers(rng):
    out = [str(rng.randrange(10**n)) for n in range(1, 21) for _ in range(3)] + [f"{rng.uniform(0, 10**n):.{d}f}" for n in range(5) for d in range(1, 5)]
    out += [f"{rng.randrange(10**9):,}" for _ in range(10)] + [f"-{n}" for n in (0, 1, 37, 4096)] + [f"{n}e{m}" for n in (1, 2.5) for m in (-12, -3, 0, 6, 23)]
    out += [f"{d:02}/{m:02}/{y}" for d, m, y in ((1, 2, 1999), (31, 12, 2025), (29, 2, 2024))] + [f"{h:02}:{m:02}" for h, m in ((0, 0), (7, 5), (23, 59))]
    out += [f"{a}{dash}{b}" for a, b in ((1, 2), (120, 80), (3.5, 5.1)) for dash in "-–—/:×~"] + [f"{s}{n}" for s in "<>≤≥±≈~=+#$€£¥№§" for n in (5, 0.01)]
    out += "½ ¼ ⅓ ⅔ ⅛ 1½ 2⅓ x² m³ 10⁻⁶ H₂O ①②③ Ⅷ xiv IV MCMXC 1st 2nd 3rd 4th 1.000,5 1 000 000 1'000 00 007 0.0 .5 5. 1..2 1,2,3 ०१२३ ٠١٢٣ ۴۵۶ 一二三 ๑๒๓ ১২৩ 𝟘𝟙 ¹²³ １２３".split(" ")
    return out


def _units(rng):
    out = list(UNITS)
    out += [f"{rng.choice((1, 12, 98.6, 0.5, 140))}{rng.choice(('', ' ', chr(0xA0), chr(0x202F)))}{u}" for u in UNITS]
    return out + ["µ", "μ", "°", "º", "˚", "℃", "℉", "Ω", "Ω", "Å", "µg ≠ mg", "10⁹", "10^9", "10*9", "10**9", "×", "x", "·", "⋅", "∙", "•", "1.2×10⁹/L", "37 °C", "37°C", "37° C", "37 ℃"]


def _devanagari(rng):
    consonants = [chr(c) for c in range(0x915, 0x93A)]
    vowels = [chr(c) for c in (*range(0x93E, 0x94E), 0x901, 0x902, 0x903, 0x93C)]
    out = HINDI + [" ".join(rng.sample(HINDI, n)) + end for n in (2, 3, 5) for end in ("", "।", " ?") for _ in range(3)]
    out += ["".join(rng.choice(consonants) + rng.choice(vowels) for _ in range(3)) for _ in range(25)]
    out += [rng.choice(consonants) + "\u094d" + join + rng.choice(consonants) for join in ("", "\u200d", "\u200c") for _ in range(5)]
    return out + ["१२० / ८०", "३८.५ °C", "५०० mg", "दिन 3", "BP १२०", "ॐ", "॥", "।।", "ऽ", "क्ष", "त्र", "ज्ञ", "र्क", "क्र", "\u094d", "\u093f", "कि", "क ि", "हिन्दी/हिंदी"]


def _arabic(rng):
    def marked(word):
        return "".join(c + rng.choice(HARAKAT) for c in word)

    out = ARABIC + [marked(w) for w in ARABIC[:25]] + [" ".join(rng.sample(ARABIC, n)) + end for n in (2, 3, 4) for end in ("", "؟", "،") for _ in range(2)]
    out += [f"{w} {rng.choice(('120/80', '٣٨٫٥', '۱۲۰', '38.5 °C', 'mg ٥٠٠', 'CT'))}" for w in ARABIC[:20]]
    out += ["ال" + w for w in ARABIC[:8]] + ["".join(c + "ـ" for c in w) for w in ARABIC[:6]] + ["لا", "لأ", "ﻻ", "ﷲ", "ﷺ", "اللّٰه", "پچژگ", "ٹڈڑ", "ۓ", "ھ", "ہے", "ى", "ی", "ك", "ک", "ة", "ۀ", "٪", "٬", "٫", "ـــ", "\u064e", "\u0651"]
    return out + ["RTL ألم LTR", "\u202bألم\u202c", "(ألم)", "ألم.", "ألم-chest", "می\u200cخواهم", "1. ألم\n2. حمى"]


def _chinese(rng):
    out = CHINESE + ["".join(rng.sample(CHINESE, n)) + end for n in (2, 3, 5) for end in ("。", "，", "", "？") for _ in range(3)]
    out += [f"{w}{rng.choice(('38.5℃', '120/80mmHg', '5mg', '３次', ' 7 天', 'CT', '(+)', '（－）'))}" for w in CHINESE[:20]]
    return out + ["發熱", "發燒", "骨質疏鬆", "〇", "㐀", "𠀀", "𪚥", "龘", "　患者", "「肺炎」", "《》", "……", "——", "、", "％", "患者 发热", "患\u200b者", "ㄅㄆㄇ", "々", "〆"]


def _alphabets():
    """Three letters of each block that begins at these code points."""
    starts = (0x100, 0x180, 0x250, 0x370, 0x410, 0x531, 0x5D0, 0x712, 0x784, 0x7CA, 0x995, 0xA15, 0xA95, 0xB15, 0xB95, 0xC15, 0xC95, 0xD15, 0xD9A, 0xE01, 0xE81, 0xF40, 0x1000,
              0x10D0, 0x1200, 0x13A0, 0x1401, 0x1681, 0x16A0, 0x1780, 0x1820, 0x1E00, 0x1F00, 0x2C00, 0x2D30, 0x3041, 0x30A1, 0x3105, 0x3131, 0xA000, 0xA880, 0xAC00, 0xFB50, 0x10330, 0x10400, 0x12000, 0x1D400)
    return ["".join(chr(start + n) for n in range(3)) for start in starts]


def _emoji(rng):
    flags = [chr(0x1F1E6 + rng.randrange(26)) + chr(0x1F1E6 + rng.randrange(26)) for _ in range(15)]
    out = FACES + [f + v for f in FACES[24:36] for v in ("\ufe0e", "\ufe0f")] + [h + t for h in HANDS[:6] for t in TONES] + FAMILIES + flags
    out += [chr(0x1F1F0), "".join(flags[:3]), flags[0] + " " + flags[1], "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "🏴\U000e007f", TONES[0], "\ufe0f", "a\ufe0f", "\ufe0f\ufe0f"]
    out += [k + "\ufe0f\u20e3" for k in "0123456789#*"] + ["".join(rng.sample(FACES, n)) for n in (2, 3, 6) for _ in range(4)] + [f"{rng.choice(FACES)} pain {rng.choice(FACES)}" for _ in range(8)]
    return out + [f"{a}{b}{c}" for a, b, c in (("👍", "🏽", "🏽"), ("🏥", "\n", "🏥"), ("x", "😀", "y"), ("😀", "  ", "😀"))]


def _control_characters():
    every = [chr(c) for c in (*range(0x20), *range(0x7F, 0xA0))]
    sequences = ["\x1b[0m", "\x1b[31;1mred\x1b[0m", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\x9b31m", "\x1b", "\x00\x00", "a\x00", "\x00a", "\x08\x08", "ab\x08c", "\r\r", "\x0e\x0f", "\x1a", "\x04", "\x02text\x03"]
    return every + [f"a{c}b" for c in every] + sequences + ["".join(every[:8]), "".join(every[14:32]), "".join(every[33:])]


def _invisible():
    out = [c for c in FORMAT_MARKS] + [f"no{c}pain" for c in FORMAT_MARKS] + [f" {c} " for c in FORMAT_MARKS[:16]]
    return out + ["\u202eniap\u202c", "\u2066120/80\u2069", "\u200b" * 5, "\ufeff\ufeff", "a\u200d\u200db", "\u200b \u200b", "so\u00adft", "\U000e0001", "\U000e0041", "\u3164", "\u2800", "\uffa0"]


def _normal_forms():
    out = [unicodedata.normalize(form, c) for c in COMPOSED for form in ("NFC", "NFD", "NFKC", "NFKD")]
    return out + COMPOSED + [unicodedata.normalize(form, text) for text in ("œdème à l'épaule", "Bệnh nhân sốt", "Zürich, Ångström", "El niño tomó") for form in ("NFC", "NFD")]


def _white_space():
    out = [" " * n for n in range(1, 41)] + ["\n" * n for n in range(1, 41)] + ["\t" * n for n in range(1, 17)] + ["\r\n" * n for n in range(1, 9)] + ["\r" * n for n in range(2, 5)]
    out += [f"a{' ' * n}b" for n in range(2, 41)] + [f"a{chr(10) * n}b" for n in range(1, 41)] + [f"a{chr(9) * n}b" for n in range(1, 9)] + [f"a{chr(13) + chr(10)}b" * n for n in (1, 2, 3)]
    out += list(SPACES) + [f"a{c}b" for c in SPACES] + [c + c for c in SPACES] + [f" {c} " for c in SPACES]
    out += [" \n", "\n ", "  \n  ", "\n \n", "\n\n  \n", " \n \n \n ", "a \n b", "a\n  - b\n  - c\n", " \t", "\t ", "\n\t", "\t\n", "\n\t\n\t", "a \r\n b", "a\t\tb  c\n\n\td"]
    return out + [" " * n + "the" for n in range(1, 10)] + ["the" + " " * n for n in range(1, 10)] + [" " * n + "\n" + " " * n for n in (3, 7, 9)] + ["a\n\n\n   b   \n\n\n\n\n\nc"]


def _html():
    out = [f"<{t}>" for t in TAGS] + [f"</{t}>" for t in TAGS] + [f"<{t}>x</{t}>" for t in TAGS[:14]] + [f"a <{t}> b" for t in TAGS[8:18]]
    return out + ["<TABLE>", "< b>", "<b >", "<b", "b>", "<<b>>", "<b><b>", '<a href="x">', "<br/>", "<td>\n<td>", "<tr><td>Hb</td><td>9.8</td></tr>", "<h1>Report</h1>\n\n<p>No pain.</p>", "<bbox>10,20,30,40</bbox>", "<b></b>", "</b", "<s><eos></s>"]


def _byte_fallback(rng):
    out = [f"<0x{b:02X}>" for b in range(0, 256, 17)] + [chr(c) for c in (0x378, 0x530, 0x870, 0x1FFF, 0x2E5E, 0xD7FF, 0xE000, 0xF8FF, 0xFDD0, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFE, 0x2A6DF, 0x3134F, 0xF0000, 0x10FFFF)]
    planes = [(0x80, 0x800), (0x800, 0xD800), (0xE000, 0x10000), (0x10000, 0x20000), (0x20000, 0x30000), (0x30000, 0xE0000), (0xE0000, 0x110000)]
    return out + ["".join(chr(rng.randrange(*plane)) for _ in range(n)) for plane in planes for n in (1, 2, 4)] + [f"a{chr(rng.randrange(*plane))}b" for plane in planes for _ in range(4)]


def _long(rng):
    out = WORDS + ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(n)) for n in (20, 40, 80, 160)] + [w.upper() for w in WORDS] + ["".join(w.capitalize() for w in WORDS)]
    out += ["ab" * 60, "abc" * 40, "a" * 200, "the" * 40, "0" * 100, "9876543210" * 8, "A" * 64, "." * 70, "-" * 64, "=" * 80, "_" * 33, "者" * 20, "क" * 20, "م" * 20, "<" * 40, ">" * 40, "é" * 30, "e\u0301" * 15, "a\u0301\u0302\u0303" * 5]
    return out + ["ACGT" * 20, "MVLSPADKTNVKAAWGKVGAHAGEYGAEALERMFLSFPTTKTYFPHF", "1.2.840.113619.2.55.3.604688119.969.1268071029.320", "a-" * 30, "a_b" * 20, "https://example.org/" + "x/" * 30]


def _mixed(rng, tokens, corpus):
    pieces = [t.replace("\u2581", " ") for t in tokens if not t.startswith("<0x")]
    odd = [" ", "  ", "\n", "\n\n", "\t", "0", "7", ".", ",", "é", "😀", "\u200d", "ी", "م", "者", "\x00", "ž"]
    words = " ".join(corpus).split(" ")
    out = []
    for n in range(MIXED):
        pool = (pieces, words, odd, pieces + odd * 12)[n % 4]
        glue = " " if pool is words else ""
        out.append(glue.join(rng.choice(pool) for _ in range(rng.randint(1, 14))))
    return out
