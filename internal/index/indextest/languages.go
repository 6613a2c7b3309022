package indextest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// testScripts: a script without spaces between words is searched by any part of a text.
func testScripts(t *testing.T, x Index) {
	docs := clip("travel", "1",
		"红色的电车在北京的街道上",
		"赤い電車が富士山の前を走る。トラムカー",
		"รถรางสีแดงข้ามสะพาน",
		"빨간 버스가 서울에서 출발한다",
		"a plain tram in the rain",
		"ລົດໄຟສີແດງ", "រថភ្លើងពណ៌ក្រហម", "ရထားအနီ")
	docs[4].OnScreenText, docs[4].Transcript = "横浜駅 EXIT 12", "次は品川です"
	publish(t, x, docs)
	for query, want := range map[string]int{
		"北京": 0, "京": 0, "电车": 0, "北京的街道": 0, "红": 0,
		"電車": 1, "富士山": 1, "山": 1, "トラム": 1, "カー": 1, "ﾄﾗﾑ": 1, "赤い電車": 1, "走る": 1, "走った": 1,
		"รถราง": 2, "สะพาน": 2, "สี": 2, "แดง": 2,
		"버스": 3, "버스를": 3, "서울": 3, "서울에서": 3, "차가 출발": 3,
		"横浜": 4, "駅": 4, "品川": 4, "駅 rain": 4,
		"ໄຟ": 5, "ភ្លើង": 6, "ရထား": 7,
	} {
		require.Equal(t, []string{docs[want].Caption}, captions(search(t, x, words(query))), query)
	}
	for _, query := range []string{"东京", "京北", "車電", "ラトム", "เรือ", "지하철", "寿司"} {
		require.Empty(t, search(t, x, words(query)), query)
	}
}

// testScriptRanking: the text as it was asked for comes before texts with parts of it, and a
// query in two scripts finds both.
func testScriptRanking(t *testing.T, x Index) {
	docs := clip("city", "1",
		"火车经过",
		"火车站前的汽车",
		"车站里有一列火车和很多人在等待",
		"a tram at 東京駅",
		"東京の夜", "a tram in Rome", "a quiet street")
	publish(t, x, docs)
	found := captions(search(t, x, words("火车站")))
	require.Equal(t, docs[1].Caption, found[0], "the whole word comes first")
	require.ElementsMatch(t, []string{docs[0].Caption, docs[1].Caption, docs[2].Caption}, found, "parts are found")
	found = captions(search(t, x, words("tram 東京")))
	require.Equal(t, docs[3].Caption, found[0], "both scripts count")
	require.ElementsMatch(t, []string{docs[3].Caption, docs[4].Caption, docs[5].Caption}, found)
	require.Equal(t, docs[2].Caption, search(t, x, words("等待的人在车站"))[0].Caption, "a sentence finds by its words")
}

// testFolding: texts that differ only in how they are written are equal.
func testFolding(t *testing.T, x Index) {
	docs := clip("forms", "1",
		"Ein Café an der Hauptstraße",
		"ｆｕｌｌ ｗｉｄｔｈ １２３",
		"a silent ﬁlm by Cœur",
		"İstanbul and Diyarbakır",
		"ΟΔΟΣ Ερμού",
		"ﾊﾝﾊﾞｰｶﾞｰ",
		"the 🚋 crosses a bridge 👩‍🚒",
		"ł in Łódź, Smørrebrød")
	publish(t, x, docs)
	for query, want := range map[string]int{
		"cafe": 0, "CAFE\u0301": 0, "hauptstrasse": 0, "HAUPTSTRASSE": 0, "Hauptstraße": 0,
		"full": 1, "WIDTH": 1, "123": 1, "ＦＵＬＬ": 1,
		"film": 2, "FILM": 2, "ﬁlm": 2, "coeur": 2, "cœur": 2,
		"istanbul": 3, "ISTANBUL": 3, "ıstanbul": 3, "İSTANBUL": 3, "diyarbakir": 3, "DİYARBAKIR": 3,
		"οδός": 4, "οδοσ": 4, "ερμου": 4, "ΕΡΜΟΎ": 4,
		"ハンバーガー": 5, "バーガー": 5, "ﾊﾝﾊﾞｰｶﾞｰ": 5,
		"🚋": 6, "👩": 6, "👩‍🚒": 6, "🚒": 6,
		"lodz": 7, "łódź": 7, "smorrebrod": 7,
	} {
		require.Equal(t, []string{docs[want].Caption}, captions(search(t, x, words(query))), "%+q", query)
	}
	require.Empty(t, search(t, x, words("🚌")))
	require.Empty(t, search(t, x, words("haupt")), "a word of a script with spaces is found whole")
}
