package media_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gateway/media"
)

func grey(w, h int) *image.Gray { return image.NewGray(image.Rect(0, 0, w, h)) }

func encoded(t testing.TB, kind string, w, h int) []byte {
	t.Helper()
	var out bytes.Buffer
	switch kind {
	case media.PNG:
		require.NoError(t, png.Encode(&out, grey(w, h)))
	case media.JPEG:
		require.NoError(t, jpeg.Encode(&out, grey(w, h), nil))
	case media.GIF:
		require.NoError(t, gif.Encode(&out, grey(w, h), nil))
	case media.WebP: // the header of a lossless image
		size := uint32(w-1) | uint32(h-1)<<14 //nolint:gosec // small
		out.WriteString("RIFF\x16\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x2f")
		require.NoError(t, binary.Write(&out, binary.LittleEndian, size))
		out.WriteString(strings.Repeat("\x00", 12))
	}
	return out.Bytes()
}

func TestSize(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{media.PNG, media.JPEG, media.GIF, media.WebP} {
		data := encoded(t, kind, 31, 7)
		got, w, h, err := media.Size(bytes.NewReader(data))
		require.NoError(t, err, kind)
		require.Equal(t, []any{kind, 31, 7}, []any{got, w, h})
		for n := range min(len(data), 40) { // a truncated header is an error, and no panic
			_, _, _, err := media.Size(bytes.NewReader(data[:n]))
			if kind == media.PNG || kind == media.JPEG || n < 13 {
				require.Error(t, err, "%s %d", kind, n)
			}
		}
	}
	for _, data := range []string{"", "BM", "%!PS-Adobe", "II*\x00", "GIF8", "<svg/>", "RIFF1234WAVE"} {
		_, _, _, err := media.Size(strings.NewReader(data))
		require.Error(t, err, data)
	}
}

// chunk is one of PNG.
func chunk(name string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data))) //nolint:gosec // small
	out = append(append(out, name...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// TestTwoSizes: a reader that takes the last of several headers, or the largest frame, decodes more
// pixels than the first header says.
func TestTwoSizes(t *testing.T) {
	t.Parallel()
	small := encoded(t, media.PNG, 2, 2)
	huge := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 60000), 60000)
	second := append(bytes.Clone(small[:33]), append(chunk("IHDR", append(huge, 8, 0, 0, 0, 0)), small[33:]...)...)
	_, _, _, err := media.Size(bytes.NewReader(second))
	require.ErrorContains(t, err, "twice")

	small = encoded(t, media.JPEG, 2, 2)
	frame := []byte{0xff, 0xc0, 0, 11, 8, 0xea, 0x60, 0xea, 0x60, 1, 1, 0x11, 0}
	scan := bytes.Index(small, []byte{0xff, 0xda})
	second = append(bytes.Clone(small[:scan]), append(frame, small[scan:]...)...)
	_, _, _, err = media.Size(bytes.NewReader(second))
	require.ErrorContains(t, err, "twice")

	palette := color.Palette{color.Black, color.White}
	var out bytes.Buffer
	require.NoError(t, gif.EncodeAll(&out, &gif.GIF{
		Image: []*image.Paletted{image.NewPaletted(image.Rect(0, 0, 2, 2), palette)}, Delay: []int{0}, Config: image.Config{Width: 2, Height: 2},
	}))
	grown := out.Bytes()
	at := bytes.IndexByte(grown[13:], 0x2c) + 13
	binary.LittleEndian.PutUint16(grown[at+5:], 50000)
	_, w, _, err := media.Size(bytes.NewReader(grown))
	require.NoError(t, err)
	require.Equal(t, 50000, w, "a frame larger than the canvas counts")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	url := "data:image/png;base64," + base64.StdEncoding.EncodeToString(encoded(t, media.PNG, 10, 10))
	raw := strings.TrimPrefix(url, "data:image/png;base64,")
	part := func(p string) string { return `{"messages":[{"role":"user","content":[` + p + `]}]}` }
	for _, good := range []string{
		`{"messages":[]}`, `{ "messages" : [ { "role" : "user" , "content" : "http://x" } ] , "n" : 1 }`, `{}`, `{"a":[1,"\"",{"b":"]"}],"messages":null}`,
		part(`{"type":"text","text":"see http://10.0.0.1/ and {\"image_url\":\"x\"}"}`),
		part(`{"type":"image_url","image_url":{"url":"` + url + `","detail":"low"}}, {"type":"text","text":"a"}`),
		part(`{"type":"image_url","image_url":"` + url + `"}`),
		part(`{"type":"image_url","image_url":{"url":"` + strings.ReplaceAll(url, "/", `\/`) + `"}}`),
		part(`{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}`),
		part(`{"type":"text","text":"a","uuid":null,"cache_control":{"type":"ephemeral"}}`),
		part(`{"type":"image_url","image_url":{"url":"` + url + `"}},{"type":"image_url","image_url":{"url":"` + url + `"}}`),
		`{"images":["` + raw + `","` + url + `"],"input":["http://x",[1,2]],"model":"m"}`,
		`{"modalities":["audio"],"audio":{"voice":"a","format":"wav"},"tools":[{"function":{"parameters":{"properties":{"url":{"type":"string"}}}}}]}`,
	} {
		require.NoError(t, media.Check([]byte(good), 100, ""), good)
	}
	large := base64.StdEncoding.EncodeToString(encoded(t, media.PNG, 11, 10))
	many := strings.TrimSuffix(strings.Repeat(`{"type":"image_url","image_url":{"url":"`+url+`"}},`, 5), ",")
	for bad, want := range map[string]string{
		part(`{"type":"image_url","image_url":{"url":"http://169.254.169.254/latest/meta-data"}}`): "data: URLs",
		part(`{"type":"image_url","image_url":{"url":"https://example.org/a.png"}}`):               "data: URLs",
		part(`{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}`):                      "data: URLs",
		part(`{"type":"image_url","image_url":"/etc/passwd"}`):                                     "data: URLs",
		part(`{"type":"image_url","image_\u0075rl":{"url":"h\u0074tp://x"}}`):                      "data: URLs",
		part(`{"image_url":{"url":["http://x"]}}`):                                                 "not supported",
		part(`{"type":"image_url","image_url":{"url":"` + url + `","path":"/etc/passwd"}}`):        "path",
		part(`{"type":"video_url","video_url":{"url":"http://x"}}`):                                "video_url",
		part(`{"type":"audio_url","audio_url":{"url":"http://x"}}`):                                "data:audio/",
		part(`{"type":"file","file":{"file_id":"f"}}`):                                             "file",
		part(`{"type":"image_url","image_url":null,"uuid":"of-another-tenant"}`):                   "uuid",
		part(`{"type":"image_embeds","image_embeds":"AAAA"}`):                                      "image_embeds",
		part(`{"Image_URL":{"url":"http://x"}}`):                                                   "not supported",
		part(`{"type":"image_url","image_url":{"url":"data:image/png;base64,` + large + `"}}`):     "11 × 10",
		part(`{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,` + large + `"}}`):    "11 × 10",
		part(`{"type":"image_url","image_url":{"url":"data:text/html,x"}}`):                        "data:image/",
		part(`{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}`):              "not a PNG",
		part(`[[{"type":"image_url","image_url":"http://x"}]]`):                                    "data: URLs",
		part(many):        "together",
		`{"Messages":[]}`: "messages", `{"messages":[{"Content":[]}]}`: "content", `{"messages":[{"content":"a","images":["/etc/passwd"]}]}`: "content",
		`{"messages":[{"content":{"type":"image_url","image_url":"http://x"}}]}`: "data: URLs",
		`{"images":["http://x"]}`: "cannot be read", `{"images":["` + large + `"]}`: "11 × 10", `{"images":[{"url":"x"}]}`: "base64", `{"image":"/etc/passwd"}`: "not supported",
		`{"input":[{"type":"image_url","image_url":"http://x"}]}`: "data: URLs", `{"input":[{"image":"/etc/passwd"}]}`: "image",
		`{"kv_transfer_params":{"remote_host":"10.0.0.1"}}`: "not supported", `{"Chat_Template":"{{x}}"}`: "not supported", `{"prompt_embeds":"AAAA"}`: "not supported",
	} {
		require.ErrorContains(t, media.Check([]byte(bad), 100, ""), want, bad)
	}
}

// TestFile: a field with a file has its content.
func TestFile(t *testing.T) {
	t.Parallel()
	for body, good := range map[string]bool{
		`{"video":"AAAA","start_time":1}`: true, `{"video":""}`: true, `{"video":"AA\/A"}`: true, `{"video_b64":"/etc/passwd"}`: true, `{}`: true,
		`{"video":"/etc/passwd"}`: false, `{"video":"http://10.0.0.1/a.mp4"}`: false, `{"video":"data:video/mp4;base64,AAAA"}`: false,
		`{"video":["AAAA"]}`: false, `{"video":{"url":"http://x"}}`: false, `{"Video":"AAAA"}`: false, `{"video":"AAAA","image":"AAAA"}`: false, `{"video":null}`: false,
	} {
		err := media.Check([]byte(body), 100, "video")
		require.Equal(t, good, err == nil, "%s: %v", body, err)
	}
	require.Error(t, media.Check([]byte(`{"VIDEO_B64":"AAAA"}`), 100, "video_b64"))
}

func BenchmarkCheck(b *testing.B) {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, grey(64, 64), nil); err != nil {
		b.Fatal(err)
	}
	url := "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(append(out.Bytes(), make([]byte, 1<<20)...))
	body := []byte(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"` + url + `"}}]}]}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := media.Check(body, 1<<26, ""); err != nil {
			b.Fatal(err)
		}
	}
}
