"""Near-copies that differ in what matters are no copies; those that differ in wording alone are."""

from __future__ import annotations

import pytest

from hardneg_plugin.text import normalise
from hardneg_plugin.text.telling_differences import tells_apart

DIFFERENT = [
    ("Silicone sleeve for Pixel 7", "Silicone sleeve for Pixel 8"),
    ("fixed in v2.1 of the library", "fixed in v2.10 of the library"),
    ("as § 12 (3) of the act says", "as § 12 (4) of the act says"),
    ("as section 5(a) of the act says", "as section 5(b) of the act says"),
    ("the price is €20", "the price is $20"),
    ("the price is 20 euros", "the price is 20 dollars"),
    ("Louis XIV of France", "Louis XVI of France"),
    ("water is H2O", "peroxide is H2O2"),
    ("CO2 in the air", "CO in the air"),
    ("Fe2+ ions", "Fe3+ ions"),
    ("sodium as Na+", "chlorine as Na-"),
    ("x < 5 holds", "x > 5 holds"),
    ("the root is -3", "the root is 3"),
    ("it rose by 5 %", "it rose by 5"),
    ("it rose by 5%", "it rose by 5‰"),
    ("take 5 mg daily", "take 5 g daily"),
    ("take 5mg daily", "take 5µg daily"),
    ("drive 60 km/h", "drive 60 mph"),
    ("it runs at 3 metres per second", "it runs at 3 metres per minute"),
    ("it lasts 3 days", "it lasts 3 weeks"),
    ("born on 4 May 1970", "born on 4 June 1970"),
    ("open on Monday", "open on Tuesday"),
    ("on 2020-01-05", "on 2020-01-06"),
    ("it has two moons", "it has three moons"),
    ("vitamin C is in fruit", "vitamin D is in fruit"),
    ("hepatitis A spreads", "hepatitis B spreads"),
    ("SELECT * FROM users", "SELECT FROM users"),
    ("if a != b then stop", "if a = b then stop"),
    ("in the interval [0, 1)", "in the interval (0, 1]"),
    ("(a + b) * c", "a + (b * c)"),
    ("written in C#", "written in C++"),
    # Negations, language by language.
    ("The bridge is open to cars.", "The bridge is not open to cars."),
    ("The bridge is red but not blue.", "The bridge is not red but blue."),
    ("Cars are allowed on the bridge.", "Cars aren't allowed on the bridge."),
    ("Die Brücke ist für Autos offen.", "Die Brücke ist nicht für Autos offen."),
    ("Das ist eine gute Brücke.", "Das ist keine gute Brücke."),
    ("El puente está abierto.", "El puente no está abierto."),
    ("Мост открыт для машин.", "Мост не открыт для машин."),
    ("الجسر مفتوح للسيارات", "الجسر غير مفتوح للسيارات"),
    ("यह पुल खुला है", "यह पुल खुला नहीं है"),
    ("부산은 한국의 수도이다", "부산은 한국의 수도가 아니다"),
    ("그는 고기를 먹는다", "그는 고기를 먹지 않는다"),
    ("그는 집에 있다", "그는 집에 없다"),
    ("这座桥对汽车开放", "这座桥不对汽车开放"),
    ("この橋は渡れる", "この橋は渡れない"),
    ("Silta on auki autoille", "Silta ei ole auki autoille"),
    ("Hän tuli maahan viisumin kanssa", "Hän tuli maahan ilman viisumia"),
    ("Nairobi ni mji mkuu wa Uganda", "Nairobi si mji mkuu wa Uganda"),
    ("Simba wa msituni anakula nyasi", "Simba wa msituni hakuli nyasi"),
    ("সেতুটি খোলা", "সেতুটি খোলা নয়"),
    ("వంతెన తెరిచి ఉంది", "వంతెన తెరిచి లేదు"),
    ("สะพานเปิด", "สะพานไม่เปิด"),
    # Other scripts' units and numbers.
    ("全长5公里", "全长5米"),
    ("全長は三キロ", "全長は四キロ"),
    ("길이는 5킬로미터를 넘는다", "길이는 5미터를 넘는다"),
    ("длина 5 километров", "длина 5 метров"),
    ("الطول ٣ أمتار", "الطول ٤ أمتار"),
]
SAME = [
    ("The bridge isn't open to cars", "the bridge is not open to cars"),
    ("the colour of the sky is blue", "the color of the sky is blue"),
    ("drive 5 km from here", "drive 5 kilometers from here"),
    ("take 5mg daily", "take 5 mg a day"),
    ("the Amazon is a long river", "the Amazon is the long river"),
    ("der Fluß ist lang", "der Fluss ist sehr lang"),
    ("a lovely bridge in Rome", "lovely bridges in Rome"),
    ("한강은 서울을 지나 흐른다", "한강은 서울을 지나서 흐른다"),
    ("الطول ٣ أمتار", "الطول 3 أمتار"),
    ("born in 1970 - in Rome", "born in 1970 – in Rome"),
    ("10% of it all", "10 % of it all!"),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_what_differs_in_what_matters_is_no_copy(first: str, second: str) -> None:
    assert tells_apart(normalise(first), normalise(second))
    assert tells_apart(normalise(second), normalise(first))


@pytest.mark.parametrize(("first", "second"), SAME)
def test_what_differs_in_wording_alone_is_a_copy(first: str, second: str) -> None:
    assert not tells_apart(normalise(first), normalise(second))


def test_a_text_is_a_copy_of_itself() -> None:
    for pair in DIFFERENT:
        for text in map(normalise, pair):
            assert not tells_apart(text, text)
