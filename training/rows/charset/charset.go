// Package charset recognizes files that are not UTF-8, and names their encoding.
package charset

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"
)

// ByteOrderMark is that of UTF-8, which some editors write.
const ByteOrderMark = "\xef\xbb\xbf"

// Wide names an encoding with two or four bytes a character, by the byte order mark
// or by the zeros in the first characters, which are ASCII in every JSON file; "" = none.
func Wide(head []byte) string {
	for _, mark := range []struct{ bytes, name string }{ // UTF-32 first: its mark begins with that of UTF-16
		{"\xff\xfe\x00\x00", "UTF-32LE"},
		{"\x00\x00\xfe\xff", "UTF-32BE"},
		{"\xff\xfe", "UTF-16LE"},
		{"\xfe\xff", "UTF-16BE"},
	} {
		if bytes.HasPrefix(head, []byte(mark.bytes)) {
			return mark.name
		}
	}
	zero := func(i int) bool { return i < len(head) && head[i] == 0 }
	switch {
	case len(head) < 2:
		return ""
	case zero(0) && zero(1) && zero(2):
		return "UTF-32BE"
	case zero(1) && zero(2) && zero(3):
		return "UTF-32LE"
	case zero(0):
		return "UTF-16BE"
	case zero(1):
		return "UTF-16LE"
	}
	return ""
}

// SaveAs says how to convert a file.
func SaveAs(name string) string {
	return fmt.Sprintf("save it as UTF-8, for example by: iconv -f %s -t UTF-8", name)
}

// NotUTF8 says what is wrong with a text that is not UTF-8, and how to fix it. It names the
// encoding if the bytes show it.
func NotUTF8(text []byte) (reason, fix string) {
	at := badByte(text)
	reason, fix = fmt.Sprintf("byte %d is not UTF-8", at+1), "save the file as UTF-8"
	switch {
	case bytes.HasPrefix(text[at:], []byte{0xed}) && at+1 < len(text) && text[at+1] >= 0xa0:
		reason += ": half of a surrogate pair, as in CESU-8"
		fix = SaveAs("CESU-8")
	case western(text):
		reason += "; the row looks like Windows-1252 (Latin-1)"
		fix = SaveAs("WINDOWS-1252") + "; if letters are wrong then, it is another one, such as WINDOWS-1250 or MACINTOSH"
	case !utf8.Valid(text[:at]) || at == len(text)-1 || !bytes.ContainsFunc(text[at+1:], func(r rune) bool { return r == utf8.RuneError }):
		// It is damaged at one place.
	default:
		reason += "; the row looks like an older encoding, such as GB18030, Shift_JIS, EUC-KR, Windows-1250 or Windows-1251"
		fix = "save the file as UTF-8, for example by iconv, which lists all encodings by: iconv -l"
	}
	return reason, fix
}

// western reports whether every byte above ASCII stands alone among ASCII letters, as an
// accented letter or a quotation mark of Windows-1252 does.
func western(text []byte) bool {
	for i, b := range text {
		if b < utf8.RuneSelf {
			continue
		}
		alone := (i == 0 || text[i-1] < utf8.RuneSelf) && (i+1 == len(text) || text[i+1] < utf8.RuneSelf)
		undefined := b == 0x81 || b == 0x8d || b == 0x8f || b == 0x90 || b == 0x9d
		sign := b >= 0xa0 && b <= 0xbf && i > 0 && i+1 < len(text) && isLetter(text[i-1]) && isLetter(text[i+1]) // within a word
		if !alone || undefined || sign {
			return false
		}
	}
	return true
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// Escaped recognizes the encodings that switch to another script by an escape character: their
// bytes are those of ASCII. The reason is empty if there is none.
func Escaped(text []byte) (reason, fix string) {
	for _, kind := range []struct{ mark, name string }{
		{"\x1b$)C", "ISO-2022-KR"}, {"\x1b$)A", "ISO-2022-CN"}, {"\x1b$B", "ISO-2022-JP"}, {"\x1b$@", "ISO-2022-JP"}, {"\x1b$(", "ISO-2022-JP"},
	} {
		if at := bytes.Index(text, []byte(kind.mark)); at >= 0 {
			return fmt.Sprintf("byte %d begins another script, as in %s", at+1, kind.name), SaveAs(kind.name)
		}
	}
	return "", ""
}

func badByte(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
}

// Misread returns the first sign that UTF-8 was read as Windows-1252: "Ã©" for "é".
func Misread(text string) string {
	var before rune
	for _, r := range text {
		if (before == 'Ã' || before == 'Â') && r >= 0x80 && r <= 0xbf || before == 'â' && slices.Contains([]rune("€\u0080"), r) {
			return string([]rune{before, r})
		}
		before = r
	}
	return ""
}

// Foreign recognizes files without UTF-8 text by their first bytes; the code is empty for others.
func Foreign(head []byte) (code, what, fix string) {
	for _, kind := range []struct{ magic, what, fix string }{
		{"\x1f\x8b", "a gzip file", "unpack it"},
		{"PK\x03\x04", "a zip file", "unpack it; if it is a spreadsheet (.xlsx, .ods), save it as CSV in UTF-8"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a file of an old version of Microsoft Office", "save it as CSV in UTF-8"},
		{"SQLite f", "a database of SQLite", "export its table as CSV"},
		{"\x89HDF\r\n\x1a\n", "an HDF5 file", "write it as Parquet or as JSON lines"},
		{"BZh", "a bzip2 file", "unpack it"},
		{"\xfd7zXZ", "an xz file", "unpack it"},
		{"\x28\xb5\x2f\xfd", "a zstd file", "unpack it"},
		{"PARE", "an encrypted Parquet file", "write it without encryption"},
		{"ARROW1", "an Arrow file", "write it as Parquet or as JSON lines"},
	} {
		if bytes.HasPrefix(head, []byte(kind.magic)) {
			return "not_json", kind.what, kind.fix
		}
	}
	if name := Wide(head); name != "" {
		return "encoding", "encoded as " + name, SaveAs(name)
	}
	return "", "", ""
}
