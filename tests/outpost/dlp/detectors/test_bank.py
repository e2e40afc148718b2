import pytest
from stdnum.iban import calc_check_digits

from outpost.dlp.detectors import bank
from tests.outpost.dlp.detectors import by_case
from tests.outpost.dlp.detectors import official_numbers as check
from tests.outpost.dlp.detectors.table import found

# Examples of the SWIFT IBAN registry.
IBANS = (
    "AE070331234567890123456", "AT611904300234573201", "BE68539007547034", "BR1800360305000010009795493C1",
    "CH9300762011623852957", "DE89370400440532013000", "DK5000400440116243", "ES9121000418450200051332",
    "FR1420041010050500013M02606", "GB29NWBK60161331926819", "GR1601101250000000012300695",
    "IT60X0542811101000000123456",
    "LC55HEMM000100010012001200023015", "MT84MALT011000012345MTLCAST001S", "NL91ABNA0417164300", "NO9386011117947",
    "PL61109010140000071219812874", "SA0380000000608010167519", "SE4550000000058398257466",
    "TR330006100519786457841326",
)  # fmt: skip


def grouped(iban, separator):
    return separator.join(iban[i : i + 4] for i in range(0, len(iban), 4))


@pytest.mark.parametrize("iban", IBANS)
@pytest.mark.parametrize("shape", ["{}", "pay to {} today", "IBAN:{}.", "账户{}。", "({})"])
@pytest.mark.parametrize("write", [str, str.lower, lambda s: grouped(s, " "), lambda s: grouped(s, "-")])
def test_registry_examples_are_found_however_they_are_written(iban, shape, write):
    written = write(iban)
    assert found(shape.format(written), "fin") == [("fin.iban", written)]


def test_two_in_a_row():
    one, two = grouped(IBANS[5], " "), grouped(IBANS[9], " ")
    assert [span for _, span in found(f"{one}, {two}", "fin")] == [one, two]


@pytest.mark.parametrize(
    "text",
    [
        "GB28NWBK60161331926819",  # check digits
        "GB29NWBK6016133192681",  # length
        "GB29NWBK601613319268190",
        "GB29 nwbk 6016 1331 9268 19",  # mixed case
        "ZZ" + calc_check_digits("ZZ00370400440532013000") + "370400440532013000",  # no such country
        "GB" + calc_check_digits("GB001234601613319268AB") + "1234601613319268AB",  # right sum, wrong structure
        "XGB29NWBK60161331926819",
        "ab12 cdef ghij klmn opqr",
        "sha1 da39 a3ee 5e6b 4b0d 3255 bfef",
    ],
)
def test_near_misses(text):
    assert found(text, "fin") == []


by_name = pytest.mark.parametrize("name", by_case.names_of(bank))
each = pytest.mark.parametrize("identifier", bank.IDENTIFIERS, ids=check.named)


@by_name
def test_found_by_name(name):
    by_case.assert_positives(name)


@by_name
def test_near_misses_by_name(name):
    by_case.assert_near_misses(name)


@each
def test_found_in_every_form_beside_a_word(identifier):
    check.assert_found_in_every_form(identifier)


@each
def test_near_misses_of_numbers_are_not_found(identifier):
    check.assert_near_misses_are_not_found(identifier)


@each
def test_alone_only_if_strong(identifier):
    check.assert_silent_without_a_word_unless_strong(identifier)


@each
def test_the_check_refuses_as_many_as_the_table_says(identifier):
    check.assert_refuses_as_many_as_it_says(identifier)
