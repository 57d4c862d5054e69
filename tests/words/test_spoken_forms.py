"""What written tokens sound like."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speechcli.core.languages import NAMES
from speechcli.core.words import normal
from speechcli.spoken.counting import MOST_FORMS, MOST_WORDS, cardinal
from speechcli.spoken.forms import spoken


def said(text: str, language: str = "en") -> list[list[str]]:
    """The alternatives of each token of a line, each as a line."""
    return [[" ".join(form) for form in forms] for forms in spoken(text.split(" "), language)]


ENGLISH = [
    # words and the marks around them
    ("Hello", ["Hello"]),
    ("“Hi!”", ["Hi"]),
    ("(well,", ["well"]),
    ("don’t", ["don't"]),
    ("O'Brien's", ["O'Brien's"]),
    ("'tis", ["'tis"]),
    ("café.", ["café"]),
    ("extra\u00adordinary", ["extraordinary"]),
    ("twenty-one", ["twenty one"]),
    ("e-mail", ["e mail", "email"]),
    ("state-of-the-art", ["state of the art"]),
    ("word—word", ["word word"]),
    ("and/or", ["and or", "and slash or"]),
    ("student(s)", ["students", "student"]),
    ("end.Next", ["end Next", "end dot Next"]),
    ("said.¹", ["said"]),
    # short writing
    ("Dr.", ["doctor", "drive"]),
    ("Mr", ["mister"]),
    ("St.", ["saint", "street"]),
    ("vs.", ["versus"]),
    ("etc.,", ["etcetera", "et cetera"]),
    ("e.g.", ["for example", "E G"]),
    ("i.e.", ["that is", "I E"]),
    ("fig.", ["figure", "fig"]),
    ("fig", ["fig"]),
    ("w/", ["with"]),
    ("U.S.", ["U S"]),
    ("U.S.'s", ["U S's"]),
    ("Ph.D.", ["P H D"]),
    ("p.m.", ["P M"]),
    ("NASA", ["NASA", "N A S A"]),
    ("FBI's", ["FBI's", "F B I's"]),
    ("DVDs", ["DVDs", "D V D's"]),
    ("YouTube", ["YouTube", "You Tube"]),
    ("AT&T", ["AT and T", "A T and T", "AT ampersand T", "A T ampersand T"]),
    ("&", ["and", "ampersand"]),
    ("+", ["plus"]),
    ("=", ["equals"]),
    ("%", ["percent"]),
    ("@", ["at"]),
    # counting
    ("0", ["zero", "oh"]),
    ("25", ["twenty five"]),
    ("100", ["one hundred", "a hundred", "one zero zero"]),
    ("1,000", ["one thousand", "a thousand"]),
    ("105,000", ["one hundred five thousand", "one hundred and five thousand"]),
    ("60,000", ["sixty thousand"]),
    ("007", ["zero zero seven", "oh oh seven"]),
    ("3.14", ["three point one four", "three point fourteen"]),
    ("0.5", ["zero point five", "oh point five", "point five"]),
    (".5", ["point five"]),
    ("-5", ["minus five", "negative five", "five"]),
    ("~20", ["about twenty", "approximately twenty", "twenty"]),
    ("1st", ["first"]),
    ("22nd.", ["twenty second"]),
    ("1,000th", ["one thousandth"]),
    ("½", ["a half", "one half"]),
    ("2½", ["two and a half", "two and one half"]),
    ("10-15", ["ten to fifteen", "ten fifteen", "ten dash fifteen"]),
    ("50-50", ["fifty fifty", "fifty to fifty"]),
    ("2:1", ["two to one", "two one"]),
    ("٣٤", ["thirty four"]),
    ("３", ["three"]),
    # years and times
    ("'90s", ["nineties", "nineteen nineties"]),
    ("1990s", ["nineteen nineties"]),
    ("1800s", ["eighteen hundreds"]),
    ("2000s", ["two thousands"]),
    ("2012", ["twenty twelve", "two thousand twelve", "two thousand and twelve"]),
    ("10:30", ["ten thirty"]),
    ("12:00", ["twelve", "twelve o'clock", "twelve hundred"]),
    ("7:05", ["seven oh five", "seven five"]),
    ("3pm", ["three P M"]),
    ("10:30am", ["ten thirty A M"]),
    ("10am-5pm", ["ten A M to five P M", "ten A M five P M"]),
    # money and units
    ("$1", ["one dollar"]),
    ("£5", ["five pounds"]),
    ("5€", ["five euros"]),
    ("US$5", ["five dollars"]),
    ("¥500", ["five hundred yen"]),
    ("50¢", ["fifty cents"]),
    ("$1.5M", ["one point five million dollars"]),
    ("$5-10", ["five to ten dollars", "five ten dollars", "five dash ten dollars"]),
    ("50%", ["fifty percent"]),
    ("5km", ["five kilometers", "five K M"]),
    ("1kg", ["one kilogram", "one K G"]),
    ("100km/h", ["one hundred kilometers per hour", "a hundred kilometers per hour"]),
    ("20°C", ["twenty degrees celsius"]),
    ("5m²", ["five square meters"]),
    ("10k", ["ten thousand", "ten K"]),
    ("5G", ["five G", "five grams"]),
    ("6'2\"", ["six foot two", "six feet two inches", "six foot two inches", "six two"]),
    # names, addresses, codes
    ("COVID-19", ["COVID nineteen", "C O V I D nineteen"]),
    ("MP3", ["MP three", "M P three"]),
    ("B2B", ["B two B"]),
    ("C++", ["C plus plus"]),
    ("1.2.3", ["one point two point three", "one dot two dot three"]),
    ("555-1234", ["five five five one two three four"]),
    ("example.com", ["example dot com", "example com"]),
    ("a.b@example.com", ["a dot b at example dot com"]),
    ("#MeToo", ["hashtag Me Too", "Me Too"]),
    ("#5", ["number five", "hashtag five", "pound five"]),
    ("@john", ["at john", "john"]),
]


@pytest.mark.parametrize(("token", "forms"), ENGLISH, ids=[token for token, _ in ENGLISH])
def test_an_english_token_is_said(token, forms):
    assert said(token) == [forms]


@pytest.mark.parametrize("token", ["—", "…", "♪", "[", "]", "...", "-", "#", "😀", "👍🏽", "“", "™", "\u200b", ""])
def test_a_token_without_sound_has_no_forms(token):
    assert spoken([token], "en") == [()]
    assert spoken([token], "fr") == [()]
    assert spoken([token], None) == [()]


@pytest.mark.parametrize(
    ("token", "likely", "also"),
    [
        ("1984", "nineteen eighty four", ["one thousand nine hundred and eighty four", "nineteen hundred eighty four"]),
        ("2005", "two thousand five", ["two thousand and five", "twenty oh five"]),
        ("1900", "nineteen hundred", ["one thousand nine hundred"]),
        ("747", "seven hundred forty seven", ["seven four seven", "seven forty seven"]),
        ("$3.50", "three dollars fifty cents", ["three fifty", "three dollars and fifty cents"]),
        ("$0.99", "ninety nine cents", []),
        ("1/2", "a half", ["one half"]),
        ("3/4", "three quarters", ["three fourths", "three over four"]),
        ("9/11", "nine eleven", ["september eleventh"]),
        ("24/7", "twenty four seven", []),
        ("12/25/2020", "december twenty fifth twenty twenty", ["the twenty fifth of december twenty twenty"]),
        ("25/12/2020", "the twenty fifth of december twenty twenty", ["twenty five twelve twenty twenty"]),
        ("2020-12-25", "december twenty fifth twenty twenty", ["twenty twenty twelve twenty five"]),
        ("1914–1918", "nineteen fourteen to nineteen eighteen", ["nineteen fourteen nineteen eighteen"]),
        ("v2.0", "v two point zero", ["version two point oh"]),
        ("3.5GHz", "three point five gigahertz", []),
        ("+1-800-555-1234", "plus one eight zero zero five five five one two three four", []),
        ("5551234567", "five five five one two three four five six seven", []),
        ("https://www.example.com/path", "W W W dot example dot com slash path", []),
        ("98.6°", "ninety eight point six degrees", []),
        ("1,234,567", "one million two hundred thirty four thousand five hundred sixty seven", []),
    ],
)
def test_a_figure_is_said_in_several_ways(token, likely, also):
    (forms,) = said(token)

    assert forms[0] == likely
    assert set(also) <= set(forms)


@pytest.mark.parametrize(
    ("line", "likely"),
    [
        ("$5 million", "five | million dollars"),
        ("£2.5 billion.", "two point five | billion pounds"),
        ("$5 million-dollar", "five dollars | million dollar"),
        ("10 kg", "ten | kilograms"),
        ("1 km", "one | kilometer"),
        ("the kg", "the | kg"),
        ("5 €", "five | euros"),
        ("5 EUR", "five | euros"),
        ("7:05 a.m.", "seven oh five | A M"),
        ("No. 5", "number | five"),
        ("No. Never", "No | Never"),
        ("1 1/2 cups", "one | and a half | cups"),
        ("May 5, 2012", "May | fifth | twenty twelve"),
        ("Jan. 3", "january | third"),
        ("Henry VIII", "Henry | the eighth"),
        ("Chapter IV", "Chapter | four"),
        ("World War II.", "World | War | two"),
        ("Mix VIII", "Mix | the eighth"),
        ("then I went", "then | I | went"),
    ],
)
def test_neighbours_change_what_a_token_says(line, likely):
    assert " | ".join(forms[0] for forms in said(line)) == likely


def test_what_neighbours_suggest_is_likelier_and_not_alone():
    assert said("$5 million") == [["five", "five dollars"], ["million dollars", "million"]]
    assert said("Henry VIII")[1] == ["the eighth", "eight", "VIII", "V I I I"]
    assert said("May 5")[1] == ["fifth", "five", "the fifth"]


@pytest.mark.parametrize(
    ("language", "token", "likely"),
    [
        ("de", "1.234.567", "eine Million zweihundertvierunddreißigtausendfünfhundertsiebenundsechzig"),
        ("de", "1984", "neunzehnhundertvierundachtzig"),
        ("de", "3,14", "drei Komma eins vier"),
        ("de", "3,50€", "drei Euro fünfzig"),
        ("de", "1€", "ein Euro"),
        ("de", "10:30", "zehn Uhr dreißig"),
        ("de", "10-15", "zehn bis fünfzehn"),
        ("de", "3.", "dritten"),
        ("de", "&", "und"),
        ("de", "«Grüß»", "Grüß"),
        ("fr", "80", "quatre vingts"),
        ("fr", "3,50€", "trois euros cinquante"),
        ("fr", "10h30", "dix heures trente"),
        ("fr", "1er", "premier"),
        ("fr", "50%", "cinquante pour cent"),
        ("fr", "l’eau,", "l’eau"),
        ("es", "$5", "cinco dólares"),
        ("es", "3,50€", "tres euros con cincuenta"),
        ("es", "1º", "primero"),
        ("es", "¿Qué?", "Qué"),
        ("it", "50%", "cinquanta per cento"),
        ("pt", "16", "dezesseis"),
        ("pt", "R$3,50", "três reais e cinquenta"),
        ("ru", "21₽", "двадцать один рубль"),
        ("ru", "22₽", "двадцать два рубля"),
        ("ru", "11₽", "одиннадцать рублей"),
        ("ru", "-5", "минус пять"),
        ("ko", "5000원", "오천 원"),
        ("ko", "50%", "오십 퍼센트"),
        ("ja", "¥500", "五 百 円"),
        ("ja", "５０％", "五 十 パ ー セ ン ト"),
        ("zh", "1984", "一 九 八 四"),
        ("zh", "50%", "百 分 之 五 十"),
        ("zh", "3.14", "三 点 一 四"),
        ("zh", "10305", "一 万 零 三 百 零 五"),
        ("zh", "今", "今"),
        ("yue", "20000", "二 萬"),
        ("nl", "50%", "vijftig procent"),
        ("ar", "٥٠٪", "خمسون بالمئة"),
        ("de-AT", "21", "einundzwanzig"),
        ("EN_us", "21", "twenty one"),
        (None, "50%", "50"),
        ("hi", "१२", "१२"),
        ("hi", "हिन्दी।", "हिन्दी"),
        ("he", "שָׁלוֹם,", "שָׁלוֹם"),
        ("fa", "می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_a_token_of_another_language_is_said(language, token, likely):
    assert " ".join(spoken([token], language)[0][0]) == likely


@pytest.mark.parametrize(
    ("number", "characters"),
    [
        (0, "零"),
        (10, "十"),
        (19, "十九"),
        (110, "一百一十"),
        (1001, "一千零一"),
        (1010, "一千零一十"),
        (10001, "一万零一"),
        (100_000, "十万"),
        (1_0001_0000, "一亿零一万"),
        (1_2345_6789, "一亿二千三百四十五万六千七百八十九"),
    ],
)
def test_chinese_is_counted_by_ten_thousands(number, characters):
    assert "".join(cardinal(number, "zh")[0]) == characters


def test_english_is_counted_as_num2words_counts():
    from num2words import num2words

    for number in [*range(1200), 10_005, 100_000, 1_000_001, 1_234_567, 999_999_999_999]:
        words = tuple(num2words(number).replace(",", " ").replace("-", " ").split())

        assert cardinal(number, "en")[-1] == words
        assert cardinal(number, "en")[0] == tuple(word for word in words if word != "and")


CASES = [token for token, _ in ENGLISH]
WRITTEN = st.text(max_size=40) | st.text("0123456789.,:/-$€%°'kKmM½²IVX#@ ap", max_size=20) | st.sampled_from(CASES)


@settings(max_examples=300, deadline=None)
@given(st.lists(WRITTEN, max_size=8), st.sampled_from([None, "en", "en", "en", *NAMES]))
@example(["7" * 300], "en")
@example(["http://a²", "1234567"], "en")
@example(["1," * 150], "en")
@example(["-".join("ab" * 100)], "en")
@example([".".join("a1" * 100)], "en")
@example(["99999999999999999999st", "$99999999999999999999.99", "99999999999999s"], "en")
@example(["5", "VIII", "1/2", "\u0661", "❶", "②"], "en")
def test_any_tokens_have_few_and_bounded_forms_and_always_the_same(tokens, language):
    told = spoken(tokens, language)

    assert len(told) == len(tokens)
    for forms in told:
        assert len(forms) <= MOST_FORMS
        assert len(set(forms)) == len(forms)
        for form in forms:
            assert 0 < len(form) <= MOST_WORDS
            assert all(word and not any(map(str.isspace, word)) for word in form)
    if language == "en":
        assert not any(c.isdigit() for forms in told for form in forms for word in form for c in word)
    assert spoken(tokens, language) == told


@pytest.mark.parametrize("language", NAMES)
def test_a_number_is_told_in_every_language_or_stays_a_number(language):
    for token in ("1234567", "1984", "999999999999", "0"):
        (forms,) = spoken([token], language)

        assert forms
        assert forms == ((token,),) or not any(c.isdigit() for form in forms for word in form for c in word)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(categories=["L", "M"]), min_size=1, max_size=12).filter(lambda word: word.isalpha()))
def test_a_word_of_an_unknown_language_stays_as_it_is_written(word):
    assert spoken([f" «{word}»,"], None) == [((word,),)]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Don’t!", "don't"),
        ("“Café”", "cafe"),
        ("cafe\u0301", "café"),
        ("STRASSE", "straße"),
        ("ＡＢＣ１", "abc1"),
        ("e-mail", "email"),
        ("ЁЖ", "ёж"),
        ("が", "か\u3099"),
    ],
)
def test_words_that_differ_in_writing_only_are_the_same(a, b):
    assert normal(a) == normal(b) != ""


@pytest.mark.parametrize(("a", "b"), [("ёж", "еж"), ("が", "か"), ("colour", "color"), ("well", "we'll")])
def test_words_that_differ_in_sound_or_custom_are_not_the_same(a, b):
    assert normal(a) != normal(b)


@pytest.mark.parametrize("mark", ["", "—", "'", "…", "♪", " "])
def test_a_mark_is_no_word(mark):
    assert normal(mark) == ""


@given(st.text(max_size=20))
def test_the_normal_form_is_its_own_normal_form(text):
    assert normal(normal(text)) == normal(text)
    assert unicodedata.is_normalized("NFC", normal(text))
