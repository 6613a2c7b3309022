package rows

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// byteOrderMark is that of UTF-8, which some editors write.
const byteOrderMark = "\xef\xbb\xbf"

// wideEncoding names an encoding with two or four bytes a character, by the byte order mark
// or by the zeros in the first characters, which are ASCII in every JSON file; "" = none.
func wideEncoding(head []byte) string {
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

func saveAs(name string) string {
	return fmt.Sprintf("save it as UTF-8, for example by: iconv -f %s -t UTF-8", name)
}

// NotUTF8 is the error of a text that is not UTF-8. It names the encoding if the bytes show it.
func NotUTF8(text []byte) *RowError {
	at := badByte(text)
	f := &RowError{Code: "encoding", Reason: fmt.Sprintf("byte %d is not UTF-8", at+1), Fix: "save the file as UTF-8"}
	switch {
	case bytes.HasPrefix(text[at:], []byte{0xed}) && at+1 < len(text) && text[at+1] >= 0xa0:
		f.Reason += ": half of a surrogate pair, as in CESU-8"
		f.Fix = saveAs("CESU-8")
	case western(text):
		f.Reason += "; the row looks like Windows-1252 (Latin-1)"
		f.Fix = saveAs("WINDOWS-1252") + "; if letters are wrong then, it is another one, such as WINDOWS-1250 or MACINTOSH"
	case !utf8.Valid(text[:at]) || at == len(text)-1 || !bytes.ContainsFunc(text[at+1:], func(r rune) bool { return r == utf8.RuneError }):
		// It is damaged at one place.
	default:
		f.Reason += "; the row looks like an older encoding, such as GB18030, Shift_JIS, EUC-KR, Windows-1250 or Windows-1251"
		f.Fix = "save the file as UTF-8, for example by iconv, which lists all encodings by: iconv -l"
	}
	return f
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

// escaped recognizes the encodings that switch to another script by an escape character: their
// bytes are those of ASCII. nil if there is none.
func escaped(text []byte) *RowError {
	for _, kind := range []struct{ mark, name string }{
		{"\x1b$)C", "ISO-2022-KR"}, {"\x1b$)A", "ISO-2022-CN"}, {"\x1b$B", "ISO-2022-JP"}, {"\x1b$@", "ISO-2022-JP"}, {"\x1b$(", "ISO-2022-JP"},
	} {
		if at := bytes.Index(text, []byte(kind.mark)); at >= 0 {
			return &RowError{Code: "encoding", Reason: fmt.Sprintf("byte %d begins another script, as in %s", at+1, kind.name), Fix: saveAs(kind.name)}
		}
	}
	return nil
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
