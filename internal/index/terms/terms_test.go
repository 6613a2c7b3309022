package terms

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                   "",
		"A red tram":         "a red tram",
		"don't stop":         "don t stop",
		"北京 街道":              "北+京 街+道",
		"JR東日本の3号線":          "jr 東+日+本+の 3 号+線",
		"ﾄﾗﾑ ﾊﾟﾝ":            "ト+ラ+ム パ+ン",
		"ＴＲＡＭ１２":             "tram12",
		"ﬁlm ﬂoß ŒUVRE":      "film floss oeuvre",
		"İstanbul ISPARTA ı": "istanbul isparta i",
		"Straße STRASSE":     "strasse strasse",
		"ὈΔΥΣΣΕΎΣ οδός":      "οδυσσευσ οδοσ",
		"รถราง":              "ร+ถ+ร+า+ง",
		"ที่นี่":             "ที่+นี่",
		"버스가 온다":             "버+스+가 온+다",
		"हिन्दी में":         "हिन्दी में",
		"مُحَمَّد":           "محمد",
		"🚋🌉 tram🚋":           "🚋 🌉 tram 🚋",
		"👍🏽 👩‍🚒 ✈️":          "👍 👩+🚒 ✈",
		"🇯🇵":                 "🇯+🇵",
		"═══ ° ™":            "tm",
		"\u0301 \xff\x00 x":  "x",
		"か\u3099":            "が",
	} {
		var got strings.Builder
		Tokens(text, func(token Token) {
			switch {
			case token.Joined:
				got.WriteByte('+')
			case got.Len() > 0:
				got.WriteByte(' ')
			}
			got.WriteString(token.Text)
		})
		require.Equal(t, want, got.String(), "%q", text)
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                "",
		"*\"' ( ) ^ \x00": "",
		"Red tram TRAM":   "red|tram",
		"京":               "京",
		"北京":              "北 京",
		"富士山":             "富 士|士 山|富 士 山",
		"食べる":             "食|べ る|食 べ る",
		"女の子":             "女|子|女 の 子",
		"の":               "の",
		"トラム":             "ト ラ ム",
		"red 電車 LINE":     "red|電 車|line",
		"버스가":             "버 스|스 가|버 스 가",
		"รถราง":           "ร ถ ร า ง",
		"👩‍🚒":             "👩 🚒",
	} {
		var got []string
		for _, p := range Query(text, 64) {
			got = append(got, strings.Join(p.Terms, " "))
		}
		require.Equal(t, want, strings.Join(got, "|"), "%q", text)
	}
	require.Len(t, Query(strings.Repeat("日本語", 4096), 64), 3, "duplicates count once")
	require.Len(t, Query("a b c d", 2), 2)
}

func FuzzTokens(f *testing.F) {
	f.Add("a red 電車")
	f.Add("\xff\u0301👩‍🚒ที่")
	f.Fuzz(func(t *testing.T, text string) {
		joined := 0
		Tokens(text, func(token Token) {
			require.NotEmpty(t, token.Text)
			require.Equal(t, token.Text, Fold(token.Text), "a term is folded already")
			if token.Joined {
				require.True(t, token.Character())
				joined++
			}
		})
		for _, p := range Query(text, 64) {
			require.NotEmpty(t, p.Terms)
		}
	})
}
