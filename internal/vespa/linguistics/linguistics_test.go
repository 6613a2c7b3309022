package linguistics

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExtra(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		"A plain Café, 12 trams":   "",
		"ﬁlm in ｆｕｌｌ ｗｉｄｔｈ":        "",
		"Straße und Łódź":          "strasse ꙮ lodz",
		"ΟΔΟΣ οδός":                "οδοσ ꙮ οδοσ",
		"北京 街道":                    "北 京 ꙮ 街 道",
		"JR東日本":                    "jr ꙮ 東 日 本",
		"the 🚋 and 👩‍🚒":            "ꙮ1f68b ꙮ ꙮ1f469 ꙮ1f692",
		"50 % \xff\x00 of 100 km²": "",
	} {
		require.Equal(t, want, Extra(text), "%q", text)
	}
	require.Equal(t, "東 京 ꙮ 大 阪", Extra("東京", "", "大阪"))
}
