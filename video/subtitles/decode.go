package subtitles

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
	lang "golang.org/x/text/language"
)

var (
	errBinary   = errors.New("it is not a text file")
	errEncoding = errors.New("its encoding is not known; convert it to UTF-8")
)

const western = "windows-1252"

// decode returns the text of a file in UTF-8, UTF-16 or the usual encoding of its language before them.
func decode(data []byte, language string) (string, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data = data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return wide(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return wide(data[2:], binary.BigEndian)
	// Files of subtitles begin with an ASCII character.
	case len(data) > 1 && data[0] != 0 && data[1] == 0:
		return wide(data, binary.LittleEndian)
	case len(data) > 1 && data[0] == 0 && data[1] != 0:
		return wide(data, binary.BigEndian)
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return "", errBinary
	}
	if utf8.Valid(data) {
		return string(data), nil
	}
	if line := damaged(data); line > 0 {
		return "", fmt.Errorf("line %d is not valid UTF-8", line)
	}
	return single(data, language)
}

// wide decodes UTF-16.
func wide(data []byte, order binary.ByteOrder) (string, error) {
	if len(data)%2 != 0 {
		return "", errCut
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	text := string(utf16.Decode(units))
	if strings.ContainsRune(text, 0) || strings.ContainsRune(text, unicode.ReplacementChar) {
		return "", errBinary
	}
	return text, nil
}

// damaged is where UTF-8 is not valid; 0 = the text is in another encoding, of which few bytes look like UTF-8.
func damaged(data []byte) (line int) {
	valid, wrong, at := 0, 0, 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1:
			if wrong++; line == 0 {
				line = at
			}
		case r == '\n':
			at++
		case n > 1:
			valid++
		}
		data = data[n:]
	}
	if wrong > valid {
		return 0
	}
	return line
}

// single decodes the usual encoding of a language before UTF-8. Of an unknown language that is Windows-1252,
// which contains Latin-1, if the text looks like it: letters of other scripts would all become accented ones.
func single(data []byte, language string) (string, error) {
	name := western
	if tag, err := lang.Parse(language); language != "" && err == nil {
		base, _ := tag.Base()
		switch base.String() {
		case "ja", "zh": // each had several, and one reads the text of another as other words
			return "", errEncoding
		case "cs", "hr", "hu", "pl", "ro", "sk", "sl": // browsers assume ISO-8859-2, but files come from Windows
			name = "windows-1250"
		default:
			name = htmlindex.LanguageDefault(tag)
		}
	}
	encoding, err := htmlindex.Get(name)
	if err != nil {
		return "", err
	}
	text, err := encoding.NewDecoder().String(string(data))
	letters, accented, wrong := 0, 0, err != nil
	for _, r := range text {
		wrong = wrong || r == unicode.ReplacementChar || r >= 0x7f && r < 0xa0
		if unicode.IsLetter(r) {
			letters++
			if r > unicode.MaxASCII {
				accented++
			}
		}
	}
	if wrong || name == western && 3*accented > letters {
		return "", errEncoding
	}
	return text, nil
}
