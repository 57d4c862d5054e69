"""What short English writing stands for: plain tables.

In their shorthand "/" parts alternatives, the likeliest first, and "|" the words of one.
"""

from __future__ import annotations

MONTHS = "january february march april may june july august september october november december".split()
MONTH = {name[:3]: name for name in MONTHS} | {"sept": "september"} | {name: name for name in MONTHS}

SCALES = {
    "hundred": "hundred", "thousand": "thousand", "million": "million", "billion": "billion", "trillion": "trillion",
    "k": "thousand", "m": "million", "mn": "million", "mm": "million", "bn": "billion", "b": "billion",
    "tn": "trillion",
    "t": "trillion",
}  # fmt: skip

# sign -> one and many of the coin, one and many of its hundredth
COINS = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "jeon", "jeon"),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "₿": ("bitcoin", "bitcoins", "bitcent", "bitcents"),
}
CODES = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹", "krw": "₩", "rub": "₽", "btc": "₿"}

# symbol -> one and many; looked up as written, then in lower case
UNITS = {
    "km": "kilometer kilometers", "m": "meter meters", "cm": "centimeter centimeters", "mm": "millimeter millimeters",
    "μm": "micrometer micrometers", "nm": "nanometer nanometers", "mi": "mile miles", "ft": "foot feet",
    "in": "inch inches", "yd": "yard yards", "yds": "yard yards", "kg": "kilogram kilograms",
    "kgs": "kilogram kilograms",
    "g": "gram grams", "mg": "milligram milligrams", "μg": "microgram micrograms", "lb": "pound pounds",
    "lbs": "pound pounds", "oz": "ounce ounces", "l": "liter liters", "L": "liter liters",
    "ml": "milliliter milliliters",
    "s": "second seconds", "sec": "second seconds", "secs": "second seconds", "ms": "millisecond milliseconds",
    "min": "minute minutes", "mins": "minute minutes", "h": "hour hours", "hr": "hour hours", "hrs": "hour hours",
    "yr": "year years", "yrs": "year years", "hz": "hertz hertz", "khz": "kilohertz kilohertz",
    "mhz": "megahertz megahertz", "ghz": "gigahertz gigahertz", "kb": "kilobyte kilobytes", "mb": "megabyte megabytes",
    "gb": "gigabyte gigabytes", "tb": "terabyte terabytes", "w": "watt watts", "kw": "kilowatt kilowatts",
    "MW": "megawatt megawatts", "mW": "milliwatt milliwatts", "kwh": "kilowatt|hour kilowatt|hours", "V": "volt volts",
    "mV": "millivolt millivolts", "kV": "kilovolt kilovolts", "A": "amp amps", "db": "decibel decibels",
    "kcal": "kilocalorie kilocalories", "cal": "calorie calories", "ha": "hectare hectares", "px": "pixel pixels",
    "mph": "mile|per|hour miles|per|hour", "kph": "kilometer|per|hour kilometers|per|hour",
    "km/h": "kilometer|per|hour kilometers|per|hour", "kmh": "kilometer|per|hour kilometers|per|hour",
    "m/s": "meter|per|second meters|per|second", "mbps": "megabit|per|second megabits|per|second",
    "gbps": "gigabit|per|second gigabits|per|second", "°": "degree degrees", "°C": "degree|celsius degrees|celsius",
    "°F": "degree|fahrenheit degrees|fahrenheit", "C": "degree|celsius degrees|celsius",
    "F": "degree|fahrenheit degrees|fahrenheit", "K": "kelvin kelvin", "%": "percent percent",
    "‰": "per|mille per|mille", "¢": "cent cents", "c": "cent cents", "p": "penny pence", "x": "times times",
    '"': "inch inches", "″": "inch inches", "′": "foot feet",
    "m2": "square|meter square|meters", "km2": "square|kilometer square|kilometers", "m3": "cubic|meter cubic|meters",
    "m²": "square|meter square|meters", "km²": "square|kilometer square|kilometers", "m³": "cubic|meter cubic|meters",
    "cm²": "square|centimeter square|centimeters", "cm³": "cubic|centimeter cubic|centimeters",
}  # fmt: skip

# written with a dot, or without one where the word is nothing else
ABBREVIATIONS = {
    "dr": "doctor/drive", "mr": "mister", "mrs": "missus/misses", "ms": "miz/miss", "messrs": "messieurs",
    "prof": "professor", "st": "saint/street", "jr": "junior", "sr": "senior", "vs": "versus",
    "etc": "etcetera/et cetera",
    "e.g": "for example/E G", "eg": "for example/E G", "i.e": "that is/I E", "ie": "that is/I E", "cf": "compare/C F",
    "al": "al/alii", "approx": "approximately/approx", "dept": "department", "est": "established/estimated/est",
    "gov": "governor/gov", "gen": "general/gen", "sen": "senator/sen", "rep": "representative/rep", "lt": "lieutenant",
    "col": "colonel/col", "capt": "captain", "sgt": "sergeant", "maj": "major", "cmdr": "commander", "hon": "honorable",
    "rev": "reverend/rev", "pres": "president", "inc": "incorporated/inc", "ltd": "limited", "corp": "corporation/corp",
    "co": "company/co", "bros": "brothers", "ave": "avenue/ave", "blvd": "boulevard", "rd": "road", "mt": "mount/M T",
    "ft": "fort/feet", "vol": "volume/vol", "fig": "figure/fig", "figs": "figures", "ch": "chapter",
    "chap": "chapter/chap",
    "pp": "pages", "p": "page/P", "ed": "edition/editor/ed", "eds": "editors", "tel": "telephone/tel",
    "ext": "extension",
    "misc": "miscellaneous", "max": "maximum/max", "min": "minimum/minutes/min", "avg": "average", "govt": "government",
    "univ": "university", "assn": "association", "intl": "international", "jan": "january", "feb": "february",
    "mar": "march",
    "apr": "april", "aug": "august", "sept": "september", "sep": "september", "oct": "october", "nov": "november",
    "dec": "december", "nos": "numbers", "hrs": "hours", "mins": "minutes", "secs": "seconds", "lbs": "pounds",
    "oz": "ounces/ounce", "a.k.a": "A K A/also known as",
}  # fmt: skip
UNDOTTED = frozenset("dr mr mrs ms prof st jr sr vs etc eg ie dept lt sgt ltd blvd govt intl avg nos".split())

SLASHED = {"w/": "with", "w/o": "without", "b/c": "because", "c/o": "care of"}
SYMBOLS = {
    "№": "number", "&": "and/ampersand", "%": "percent", "+": "plus", "=": "equals", "@": "at", "×": "times/by",
    "÷": "divided by",
    "±": "plus or minus", "≈": "approximately/about", "§": "section", "°": "degrees", "€": "euros", "£": "pounds",
    "$": "dollars", "¥": "yen", "₹": "rupees", "₩": "won", "₽": "rubles", "¢": "cents", "√": "square root of",
    "∞": "infinity", "π": "pi", "μ": "micro", "‰": "per mille", "≤": "less than or equal to",
    "≥": "greater than or equal to", "≠": "not equal to",
}  # fmt: skip
PARTS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
VULGAR = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅐": "1/7", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅑": "1/9", "⅒": "1/10",
}  # fmt: skip
TOPS = frozenset(
    "com org net edu gov mil int io co uk de fr it es eu us ca au jp cn ru br in ch nl se no at be dk fi pl ie nz za"
    " info biz tv me ai app dev tech online site xyz ly fm gg html htm py js pdf txt exe".split()
)
