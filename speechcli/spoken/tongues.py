"""How languages other than English write and say numbers: plain tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Table: TypeAlias = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Tongue:
    """One language. Words of a form are parted by blanks.

    coins and cents: by sign, for one and for many (in Russian: one, two to four, many).
    """

    decimal: str = ","  # the mark, and the word for it
    grouping: str = ". '’\u00a0\u202f"  # marks between thousands
    point: str = ""
    percent: tuple[str, ...] = ()  # for one and for many, as coins
    percent_first: bool = False
    to: str = ""  # 10-15
    minus: str = ""
    one: str = ""  # before a noun, where that is another word
    coins: Table = field(default_factory=dict)
    cents: Table = field(default_factory=dict)
    joined: str = ""  # three euros AND fifty
    hour: str = ""  # ten HOUR thirty
    ordinal_marks: str = ""  # a regular expression
    symbols: Mapping[str, str] = field(default_factory=dict)


_PLAIN = Tongue()
_TONGUES = {
    "de": Tongue(
        point="Komma", percent=("Prozent",), to="bis", minus="minus", one="ein", joined="", hour="Uhr",
        coins={"€": ("Euro",), "$": ("Dollar",), "£": ("Pfund",), "¥": ("Yen",)},
        cents={"€": ("Cent",), "$": ("Cent",), "£": ("Pence",)},
        symbols={"&": "und", "+": "plus", "=": "gleich", "%": "Prozent", "€": "Euro", "$": "Dollar", "§": "Paragraf"},
    ),
    "fr": Tongue(
        point="virgule", percent=("pour cent",), to="à", minus="moins", hour="heures",
        coins={"€": ("euro", "euros"), "$": ("dollar", "dollars"), "£": ("livre", "livres"), "¥": ("yen", "yens")},
        cents={"€": ("centime", "centimes"), "$": ("cent", "cents"), "£": ("penny", "pence")},
        ordinal_marks="er|re|e|è|ème|nd|nde",
        symbols={"&": "et", "+": "plus", "=": "égale", "%": "pour cent", "€": "euros", "$": "dollars"},
    ),
    "es": Tongue(
        point="coma", percent=("por ciento",), to="a", minus="menos", one="un", joined="con", hour="y",
        coins={"€": ("euro", "euros"), "$": ("dólar", "dólares"), "£": ("libra", "libras"), "¥": ("yen", "yenes")},
        cents={"€": ("céntimo", "céntimos"), "$": ("centavo", "centavos"), "£": ("penique", "peniques")},
        ordinal_marks="\\.?[ºª°]",
        symbols={"&": "y", "+": "más", "=": "igual a", "%": "por ciento", "€": "euros", "$": "dólares"},
    ),
    "it": Tongue(
        point="virgola", percent=("per cento",), to="a", minus="meno", one="un", joined="e", hour="e",
        coins={"€": ("euro",), "$": ("dollaro", "dollari"), "£": ("sterlina", "sterline"), "¥": ("yen",)},
        cents={"€": ("centesimo", "centesimi"), "$": ("centesimo", "centesimi"), "£": ("penny", "pence")},
        ordinal_marks="[ºª°]",
        symbols={"&": "e", "+": "più", "=": "uguale", "%": "per cento", "€": "euro", "$": "dollari"},
    ),
    "pt": Tongue(
        point="vírgula", percent=("por cento",), to="a", minus="menos", joined="e", hour="e",
        coins={"€": ("euro", "euros"), "$": ("dólar", "dólares"), "£": ("libra", "libras"), "¥": ("iene", "ienes"),
               "R$": ("real", "reais")},
        cents={"€": ("cêntimo", "cêntimos"), "$": ("centavo", "centavos"), "R$": ("centavo", "centavos"),
               "£": ("penny", "pence")},
        ordinal_marks="\\.?[ºª°]",
        symbols={"&": "e", "+": "mais", "=": "igual a", "%": "por cento", "€": "euros", "$": "dólares"},
    ),
    "ru": Tongue(
        point="запятая", percent=("процент", "процента", "процентов"), to="до", minus="минус",
        coins={"₽": ("рубль", "рубля", "рублей"), "$": ("доллар", "доллара", "долларов"), "€": ("евро",),
               "£": ("фунт", "фунта", "фунтов")},
        cents={"₽": ("копейка", "копейки", "копеек"), "$": ("цент", "цента", "центов"),
               "€": ("цент", "цента", "центов")},
        symbols={"&": "и", "+": "плюс", "=": "равно", "%": "процентов", "€": "евро", "$": "долларов", "₽": "рублей",
                 "№": "номер"},
    ),
    "ja": Tongue(
        decimal=".", grouping=",", point="点", percent=("パーセント",), to="から", minus="マイナス",
        coins={"¥": ("円",), "$": ("ドル",), "€": ("ユーロ",), "£": ("ポンド",)},
        symbols={"+": "プラス", "=": "イコール", "%": "パーセント", "&": "アンド"},
    ),
    "ko": Tongue(
        decimal=".", grouping=",", point="점", percent=("퍼센트",), to="에서", minus="마이너스",
        coins={"₩": ("원",), "$": ("달러",), "€": ("유로",), "£": ("파운드",), "¥": ("엔",)},
        symbols={"+": "더하기", "=": "는", "%": "퍼센트", "&": "앤드"},
    ),
    "zh": Tongue(
        decimal=".", grouping=",", point="点", percent=("百分之",), percent_first=True, to="到", minus="负",
        coins={"¥": ("元",), "$": ("美元",), "€": ("欧元",), "£": ("英镑",)},
        symbols={"+": "加", "=": "等于", "&": "和"},
    ),
    "yue": Tongue(
        decimal=".", grouping=",", point="點", percent=("百分之",), percent_first=True, to="到", minus="負",
        coins={"¥": ("元",), "$": ("蚊",), "€": ("歐元",), "£": ("英鎊",)},
        symbols={"+": "加", "=": "等於", "&": "同"},
    ),
    "ar": Tongue(grouping="٬,", decimal="٫", percent=("بالمئة",), symbols={"&": "و", "%": "بالمئة"}),
    "ca": Tongue(point="coma", percent=("per cent",), to="a", symbols={"&": "i", "%": "per cent", "€": "euros"}),
    "cs": Tongue(percent=("procent",), symbols={"&": "a", "%": "procent"}),
    "da": Tongue(point="komma", percent=("procent",), to="til", symbols={"&": "og", "%": "procent", "€": "euro"}),
    "fa": Tongue(grouping="٬,", decimal="٫", percent=("درصد",), symbols={"&": "و", "%": "درصد"}),
    "fi": Tongue(point="pilkku", percent=("prosentti", "prosenttia"), symbols={"&": "ja", "%": "prosenttia"}),
    "he": Tongue(decimal=".", grouping=",", percent=("אחוז",), symbols={"%": "אחוז"}),
    "hu": Tongue(percent=("százalék",), symbols={"&": "és", "%": "százalék", "€": "euró"}),
    "id": Tongue(point="koma", percent=("persen",), symbols={"&": "dan", "%": "persen", "€": "euro"}),
    "nl": Tongue(
        point="komma", percent=("procent",), to="tot", minus="min", one="één", hour="uur",
        coins={"€": ("euro",), "$": ("dollar",), "£": ("pond",)}, cents={"€": ("cent",), "$": ("cent",)},
        ordinal_marks="e|de|ste", symbols={"&": "en", "+": "plus", "%": "procent", "€": "euro", "$": "dollar"},
    ),
    "no": Tongue(point="komma", percent=("prosent",), to="til", symbols={"&": "og", "%": "prosent", "€": "euro"}),
    "pl": Tongue(
        point="przecinek", percent=("procent",), minus="minus",
        coins={"€": ("euro",)}, symbols={"&": "i", "%": "procent", "€": "euro"},
    ),
    "ro": Tongue(point="virgulă", percent=("la sută",), symbols={"&": "și", "%": "la sută", "€": "euro"}),
    "sv": Tongue(point="komma", percent=("procent",), to="till", symbols={"&": "och", "%": "procent", "€": "euro"}),
    "tr": Tongue(point="virgül", percent=("yüzde",), percent_first=True, symbols={"&": "ve"}),
    "uk": Tongue(point="кома", percent=("відсоток", "відсотки", "відсотків"), symbols={"&": "і", "%": "відсотків"}),
    "vi": Tongue(point="phẩy", percent=("phần trăm",), symbols={"&": "và", "%": "phần trăm"}),
}  # fmt: skip


def tongue(language: str) -> Tongue:
    """The table of a language; of one that is not here, an empty one with the marks of the European continent."""
    return _TONGUES.get(language, _PLAIN)
