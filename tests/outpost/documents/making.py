"""Small documents of each kind, made by hand, with ``text`` in them."""

import io
import zipfile

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def archive(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return buffer.getvalue()


def docx(text):
    """A Word file whose text is parted into two runs, as Word does it at any change of format."""
    half = len(text) // 2
    runs = "".join(f'<w:r><w:t xml:space="preserve">{part}</w:t></w:r>' for part in (text[:half], text[half:]))
    body = f'<w:document xmlns:w="{WORD}"><w:body><w:p>{runs}</w:p></w:body></w:document>'
    return archive({"[Content_Types].xml": "<Types/>", "word/document.xml": body})


def xlsx(text):
    strings = f"<sst><si><t>{text}</t></si></sst>"
    sheet = '<worksheet><sheetData><row><c t="s"><v>0</v></c><c><v>7</v></c></row></sheetData></worksheet>'
    return archive(
        {"[Content_Types].xml": "<Types/>", "xl/sharedStrings.xml": strings, "xl/worksheets/sheet1.xml": sheet}
    )


def pptx(text, picture=b""):
    slide = f'<p:sld xmlns:p="p" xmlns:a="a"><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sld>'
    members = {"[Content_Types].xml": "<Types/>", "ppt/slides/slide1.xml": slide}
    return archive(members | ({"ppt/media/image1.png": picture} if picture else {}))


def pdf(text):
    """One page in a standard font."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 612 792] >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    made, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return made + end % (table, len(made))


def message(text, attached=None):
    head = "From: a@example.org\r\nTo: b@example.org\r\nSubject: hello\r\nMIME-Version: 1.0\r\n"
    if attached is None:
        return f"{head}Content-Type: text/plain\r\n\r\n{text}\r\n".encode()
    lines = f"{head}Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: application/octet-stream\r\n"
    return f"{lines}Content-Transfer-Encoding: base64\r\n\r\n{attached}\r\n--x--\r\n".encode()


def html(text):
    half = len(text) // 2
    return f"<!doctype html><p>so <b>{text[:half]}</b>{text[half:]}</p><img alt='a picture'>".encode()
