"""Positives and near misses of the detectors that are not in a table of official numbers, by name.

A positive is (text, what the detector finds in it). Every detector but those of credentials must be here or be made
from an ``Identifier``; ``test_registry`` holds that.
"""

# ruff: noqa: E501 - tables, one row a line

# Test vectors: EIP-55; Bitcoin wiki ("Invoice address"), BIP 173 and 350; XRP Ledger ("Addresses"); ICAO 9303 part 4
# appendix B and part 5 appendix A; the cards are published test numbers.
_PASSPORT_LINE = "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
_NAME_LINE = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
_CARD_LINE = "I<UTOD231458907<<<<<<<<<<<<<<<"
_GENESIS = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
_SEGWIT = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
_TAPROOT = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
_ETHER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
_RIPPLE = "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh"
_SOLANA = "So11111111111111111111111111111111111111112"
_LITECOIN = "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1"

CASES: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "card/luhn": ([("pay 4111 1111 1111 1111 now", "4111 1111 1111 1111")], ["4111 1111 1111 1112", "41111111111111111"]),
    "card-short/luhn": ([("card 4222222222222", "4222222222222")], ["card 4222222222223", "4222222222222"]),
    "card-unlisted/luhn": (
        [("UATP card number 135412345678911", "135412345678911"), ("Visa 7777 6666 5555 4446", "7777 6666 5555 4446")],
        ["135412345678911", "card number 135412345678912", "parcel 7777 6666 5555 4446", "card number 0000000000000000"],
    ),
    "cvv": (
        [("CVV: 123", "123"), ("cvc2 is 4321", "4321"), ('"cvv":"987"', "987"), ("security code (123)", "123"), ("Prüfnummer: 123", "123")],
        ["123", "cvv 12", "cvv 12345", "the cvv field", "CVV-2024-1234", "civil 123"],
    ),
    "card-expiry": (
        [("exp 12/27", "12/27"), ("Expiry date: 01/2029", "01/2029"), ("valid thru 03/26", "03/26"), ("gültig bis 03/26", "03/26")],
        ["12/27", "exp 13/27", "exp 2027", "expires 12/17", "page 12/27"],
    ),
    "track2/luhn": (
        [(";4111111111111111=27121010000012345678?", "4111111111111111=27121010000012345678")],
        ["4111111111111112=27121010000012345678", "4111111111111111=27131010000012345678", "4111111111111111=2712"],
    ),
    "track1/luhn": (
        [("%B4111111111111111^SILVA/ANA^27121010000000000?", "B4111111111111111^SILVA/ANA^27121010000000000")],
        ["%B4111111111111112^SILVA/ANA^27121010000000000?", "B4111111111111111^SILVA/ANA", "B4111111111111111^"],
    ),
    "iban/mod97": ([("GB29 NWBK 6016 1331 9268 19", "GB29 NWBK 6016 1331 9268 19")], ["GB28 NWBK 6016 1331 9268 19"]),
    "bitcoin/base58check": ([(f"to {_GENESIS}.", _GENESIS), ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",) * 2], [_GENESIS[:-1] + "b", _GENESIS + "x"]),
    "other-coins/base58check": ([(_LITECOIN, _LITECOIN)], [_LITECOIN[:-1] + "2"]),
    "ripple/base58check": ([(_RIPPLE, _RIPPLE)], [_RIPPLE[:-1] + "i"]),
    "segwit/bech32": (
        [(_SEGWIT, _SEGWIT), (_TAPROOT, _TAPROOT), (_SEGWIT.upper(), _SEGWIT.upper())],
        [_SEGWIT[:-1] + "5", "BC1" + _SEGWIT[3:], "bc1qqqqqqqqqqqqqq"],
    ),
    "ethereum/eip55": (
        [(_ETHER, _ETHER), (_ETHER.lower(), _ETHER.lower())],
        [_ETHER[:-1] + "D", "0x" + "0" * 40, _ETHER + "0", _ETHER[2:]],
    ),
    "solana/base58": ([(f"solana {_SOLANA}", _SOLANA)], [_SOLANA, f"solana {_SOLANA[:-4]}", "solana " + "1" * 33]),
    "us-ssn/dashed": ([("536-22-8726",) * 2], ["666-22-8726", "1-536-22-8726"]),
    "us-ssn/spaced": ([("536 22 8726",) * 2], ["000 22 8726"]),
    "us-ssn/undelimited": ([("ssn 536228726", "536228726")], ["536228726", "ssn 000228726"]),
    "hk-hkid-parenthesised/mod11": (
        [("A123456(3)",) * 2, ("holder A123456(3), then", "A123456(3)")],
        ["A123456(4)", "A1234563", "A123456", "A123456(B)", "xA123456(3)"],
    ),
    "plate": (
        [("license plate: 7ABC123", "7ABC123"), ("Kennzeichen B-MW 1234", "B-MW 1234"), ("number plate is AB12 CDE", "AB12 CDE")],
        ["7ABC123", "license plate reader", "plate 12345", "license plates ABCDEF"],
    ),
    "mrz/icao9303": (
        [(_NAME_LINE, _NAME_LINE), (_PASSPORT_LINE, _PASSPORT_LINE), (_CARD_LINE, _CARD_LINE)],
        [_PASSPORT_LINE[:9] + "7" + _PASSPORT_LINE[10:], _PASSPORT_LINE + "<", "P" + "A" * 43, "std::vector<int>", "A<B", _NAME_LINE[:-1]],
    ),
    "date-of-birth": (
        [
            ("date of birth: 1989-03-15", "1989-03-15"), ("DOB 03/15/1989", "03/15/1989"), ("born on 12 March 1980", "12 March 1980"),
            ("geboren am 12.03.1980", "12.03.1980"), ("né le 1er mars 1980", "1er mars 1980"), ("nacido el 3 de mayo de 1980", "3 de mayo de 1980"),
            ("birthday is March 3rd, 1980", "March 3rd, 1980"), ('"date_of_birth": "1989-03-15"', "1989-03-15"),
        ],
        ["1989-03-15", "born in Lisbon", "born free 12", "date 1989-03-15", "dob 1989-13-45", "stubborn 1989-03-15"],
    ),
    "username": (
        [("username: asilva77", "asilva77"), ("Login = 'ana.silva2'", "ana.silva2"), ("user name is asilva77", "asilva77")],
        ["username: string", "username = user1", "the username field", "username: 12345", "asilva77", "username asilva77"],
    ),
    "profile-url": (
        [("see https://www.linkedin.com/in/ana-silva-77.", "https://www.linkedin.com/in/ana-silva-77"), ("instagram.com/ana.silva", "instagram.com/ana.silva")],
        ["https://www.linkedin.com/company/example", "https://twitter.com/intent/", "facebook.com/sharer.php", "facebook.com/widgets/activity", "||facebook.com/connect/$third-party", "x.com/a?b=1", "https://linkedin.com/", "notx.com/ana"],
    ),
    "postcode-after-word": (
        [("ZIP 94105", "94105"), ("zip code: 94105-1234", "94105-1234"), ("PLZ 10115", "10115"), ("code postal : 75001", "75001"), ('"postalCode": "2113"', "2113")],
        ["94105", "zip file 12345", "ZIP 12", "zip 1234567", "ZIP 12345-12345"],
    ),
    "zip-after-state": ([("San Francisco, CA 94105", "94105"), ("NY 10001-1234", "10001-1234")], ["CA 9410", "XX 94105", "CA 941055", "CA"]),
    "street-english": (
        [("at 221 Baker Street, London", "221 Baker Street"), ("221B Baker Street", "221B Baker Street"), ("350 North Oak Grove Ave.", "350 North Oak Grove Ave")],
        ["221 Baker", "Baker Street", "5 Street", "221B", "5G Network", "12 March Madness", "3 Streets", "20 Main street", "51 Franklin Street, Fifth Floor"],
    ),
    "street-french": (
        [("12 rue de la Paix", "12 rue de la Paix"), ("12, avenue Victor Hugo", "12, avenue Victor Hugo"), ("3 bis rue du Bac", "3 bis rue du Bac")],
        ["12, rue", "12 roses", "12, and Anna", "12 avenues Victor"],
    ),
    "street-german-dutch": (
        [("Hauptstraße 12, Berlin", "Hauptstraße 12"), ("Lindenallee 3", "Lindenallee 3"), ("Keizersgracht 123", "Keizersgracht 123")],
        ["Hauptstraße", "Norweg 1234", "weg 12", "hauptstrasse 12"],
    ),
    "street-spanish-italian": (
        [("Calle de Alcalá 42", "Calle de Alcalá 42"), ("Via Roma, 15", "Via Roma, 15"), ("Avenida da Liberdade 110", "Avenida da Liberdade 110")],
        ["Via Roma", "via email 15", "Calle 42", "Plaza Mayor"],
    ),
    "email": ([("a.b@example.org",) * 2], ["a.b@example"]),
    "phone-international/e164": ([("+44 20 7946 0958",) * 2], ["+44 20"]),
    "phone-international/possible": ([("+1 555 010 9999",) * 2], ["+999 1234 5678"]),
    "phone-international/00": (
        [("0044 20 7946 0958",) * 2, ("00 49 30 901820", "00 49 30 901820"), ("001-650-253-0000",) * 2],
        ["00999 123 4567", "0012", "1004420794609580044"],
    ),
    "phone-national/printed": (
        [("(020) 7946 0958",) * 2, ("01 44 71 44 71",) * 2, ("07400 123456",) * 2, ("08-503 360 00", "08-503 360 00"),
         ("(11) 96123-4567",) * 2, ("612 57 93 84",) * 2, ("138 0713 9524",) * 2],
        ["01 02 03 04 05", "00 44 71 44 71 00", "01 44 71 44 71 44", "09/12/2024 15:41", "v 1.3 2009/09/13 16:15", "12 01 44 71 44 71", "0806 20/0001", "part no. 01 44 71 44 71"],
    ),
    "phone-nanp/shape": (
        [("(555) 010-9999",) * 2, ("299-010-9999",) * 2, ("299.010.9999", "299.010.9999"), ("001-299-010-9999x12", "001-299-010-9999x12")],
        ["123-456-7890", "199-010-9999", "299-010-99999", "12 299 010 9999", "299 010 9999 12", "299-0109999"],
    ),
    "phone-nanp/plan": ([("(650) 253-0000",) * 2], ["123-456-7890", "(650) 253-000"]),
    "phone-national/plans": ([("Tel: 020 7946 0958", "020 7946 0958")], ["020 7946 0958", "tel: 2024-03-12"]),
    "phone-national/possible": ([("call 5551234567", "5551234567")], ["5551234567", "phone 12345", "Traceback (most recent call last): 5551234567", "phone (c) 2005-2026"]),
    "ipv4/ipaddress": (
        [("10.20.30.40",) * 2, ("http://93.184.216.34/x", "93.184.216.34"), ("route to 8.8.8.8", "8.8.8.8")],
        ["256.20.30.40", "version 10.20.30.40", "127.0.0.1", "libname (12.4.1.7)", "upgraded to 112.4.1.7", "aeson ==0.7.0.4", "<Version>13.9.0.0<", 'rev="11.8.0.7"', "tool@6.4.0.2", "255.255.255.0", "224.0.0.251", "Chrome/120.0.0.0"],
    ),
    "ipv4-low/ipaddress": (
        [("name server 4.9.8.8", "4.9.8.8"), ("IP address: 5.9.13.77", "5.9.13.77")],
        ["4.9.8.8", "version 1.2.3.4 of the server", "ip==1.2.3.4", "server 1.2.3.400"],
    ),
    "po-box": ([("P.O. Box 1234", "Box 1234"), ("PO Box 77", "Box 77"), ("Postfach 4711", "Postfach 4711")], ["Box 1234", "P.O. Box", "mailbox 12", "po 12"]),
    "ipv6/ipaddress": ([("2001:db8:85a3::8a2e:370:7334",) * 2, ("node:2001:db8:85a3::7334", "2001:db8:85a3::7334"), ("ip:2001:db8::1:7334", "2001:db8::1:7334")], ["::1", "a::b"]),
    "mac/ieee802": (
        [("00:0d:87:9d:1c:e9",) * 2, ("D0-50-99-84-A2-A0",) * 2, ("000d.879d.1ce9",) * 2, ("address:00:0d:87:9d:1c:e9", "00:0d:87:9d:1c:e9")],
        ["ff:ff:ff:ff:ff:ff", "00:0d:87:9d:1c:e9:aa", "aa:00:0d:87:9d:1c:e9", "00:0d:87:9d:1c", "00:0d-87:9d:1c:e9", "00:0g:87:9d:1c:e9", "0884.8182.1613"],
    ),
}  # fmt: skip
